import { NavLink as Entry, Stack } from "@mantine/core";
import { NavLink, useLocation } from "react-router";
import { pages } from "../pages.js";

export function Navigation() {
  const { pathname } = useLocation();
  return (
    <Stack gap={4}>
      {pages.map(({ to, label, icon: Icon }) => (
        <Entry
          key={to}
          component={NavLink}
          to={to}
          label={label}
          active={pathname === to || pathname.startsWith(`${to}/`)}
          leftSection={<Icon size={19} stroke={1.7} aria-hidden />}
        />
      ))}
    </Stack>
  );
}
