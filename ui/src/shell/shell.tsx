import { AppShell, Burger, Group, Text } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useEffect, useRef } from "react";
import { Link, Outlet, ScrollRestoration, useLocation } from "react-router";
import { Mark } from "./mark.js";
import { Navigation } from "./navigation.js";
import { SchemeSwitch } from "./scheme-switch.js";

/** What stands around each page. */
export function Shell() {
  const [opened, { toggle, close }] = useDisclosure();
  const main = useArrival(close);
  return (
    <AppShell
      header={{ height: 56 }}
      navbar={{ width: 208, breakpoint: "sm", collapsed: { mobile: !opened } }}
      padding={{ base: "sm", sm: "lg" }}
    >
      <button type="button" className="skip" onClick={() => main.current?.focus()}>
        Skip to content
      </button>
      <AppShell.Header>
        <Group h="100%" px="md" justify="space-between" wrap="nowrap">
          <Group gap="sm" wrap="nowrap">
            <Burger
              opened={opened}
              onClick={toggle}
              hiddenFrom="sm"
              size="sm"
              aria-label={opened ? "Close navigation" : "Open navigation"}
              aria-expanded={opened}
              aria-controls="navigation"
            />
            <Group component={Link} gap={10} wrap="nowrap" {...{ to: "/new" }} style={{ textDecoration: "none" }}>
              <Mark />
              <Text component="span" fw={700} fz="lg" c="var(--mantine-color-text)">
                TokenLens
              </Text>
            </Group>
          </Group>
          <SchemeSwitch />
        </Group>
      </AppShell.Header>
      <AppShell.Navbar p="sm" id="navigation" aria-label="Pages">
        <Navigation />
      </AppShell.Navbar>
      <AppShell.Main id="main" ref={main} tabIndex={-1}>
        <Outlet />
      </AppShell.Main>
      <ScrollRestoration getKey={({ pathname }) => pathname} />
    </AppShell>
  );
}

/** On another page the focus goes to its content, as it would with a page that was loaded, and the navigation closes. */
function useArrival(close: () => void) {
  const main = useRef<HTMLElement>(null);
  const { pathname } = useLocation();
  const room = pathname.split("/")[1];
  const last = useRef(room);
  // biome-ignore lint/correctness/useExhaustiveDependencies: `close` is new each time
  useEffect(() => {
    if (last.current === room) return;
    last.current = room;
    close();
    main.current?.focus({ preventScroll: true });
  }, [room]);
  return main;
}
