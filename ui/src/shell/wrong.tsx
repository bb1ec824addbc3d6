import { Container } from "@mantine/core";
import { useRouteError } from "react-router";
import { ErrorState } from "../components/error-state.js";

/** In place of a page whose code failed, or could not be loaded. */
export function Wrong() {
  const error = useRouteError();
  return (
    <Container py="xl">
      <ErrorState title="This page failed" error={error} retry={() => window.location.reload()} />
    </Container>
  );
}
