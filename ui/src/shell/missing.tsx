import { Button } from "@mantine/core";
import { Link } from "react-router";
import { EmptyState } from "../components/empty-state.js";
import { PageTitle } from "../components/page-title.js";

/** For an address that leads nowhere. */
export function Missing() {
  return (
    <>
      <PageTitle title="No such page" />
      <EmptyState
        title="Nothing is at this address"
        action={
          <Button component={Link} to="/library">
            To the library
          </Button>
        }
      >
        The link may be old, or cut short.
      </EmptyState>
    </>
  );
}
