import { MantineProvider } from "@mantine/core";
import { Notifications } from "@mantine/notifications";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { createBrowserRouter, Navigate, RouterProvider } from "react-router";
import { ApiError } from "./api/request.js";
import { pages } from "./pages.js";
import { Missing } from "./shell/missing.js";
import { Shell } from "./shell/shell.js";
import { TokenDialog } from "./shell/token-dialog.js";
import { Wrong } from "./shell/wrong.js";
import { theme, variables } from "./theme.js";

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      // What the server refuses it refuses again; one that is starting may be reached a moment later.
      retry: (failures, error) => failures < 2 && !(error instanceof ApiError && error.status > 0),
      staleTime: 5000,
    },
  },
});

const router = createBrowserRouter(
  [
    {
      element: <Shell />,
      errorElement: <Wrong />,
      hydrateFallbackElement: <></>,
      children: [
        { index: true, element: <Navigate to="new" replace /> },
        ...pages.map(({ path, load }) => ({ path, lazy: load, errorElement: <Wrong /> })),
        { path: "*", element: <Missing /> },
      ],
    },
  ],
  { basename: import.meta.env.BASE_URL.replace(/\/$/, "") },
);

export function App() {
  return (
    <QueryClientProvider client={queries}>
      <MantineProvider theme={theme} cssVariablesResolver={variables} defaultColorScheme="auto">
        <Notifications position="bottom-right" />
        <RouterProvider router={router} />
        <TokenDialog />
      </MantineProvider>
    </QueryClientProvider>
  );
}
