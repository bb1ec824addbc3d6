import { Button } from "@mantine/core";
import type { ReactNode } from "react";
import { Link } from "react-router";
import { EmptyState } from "./empty-state.js";

interface NoResultsProps {
  icon: ReactNode;
  /** How there come to be some. */
  children: ReactNode;
}

/** Where nothing is stored yet. */
export function NoResults({ icon, children }: NoResultsProps) {
  return (
    <EmptyState
      title="No results yet"
      icon={icon}
      action={
        <Button component={Link} to="/new">
          New attribution
        </Button>
      }
    >
      {children}
    </EmptyState>
  );
}
