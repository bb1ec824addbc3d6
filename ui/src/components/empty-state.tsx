import { Center, Stack, Text, Title } from "@mantine/core";
import type { ReactNode } from "react";

interface EmptyStateProps {
  title: string;
  icon?: ReactNode;
  /** What to do about it, in words. */
  children?: ReactNode;
  action?: ReactNode;
}

/** Where there is nothing to show yet. */
export function EmptyState({ title, icon, children, action }: EmptyStateProps) {
  return (
    <Center py={60} px="md">
      <Stack align="center" gap="sm" maw={460} ta="center">
        {icon}
        <Title order={2} fz="lg">
          {title}
        </Title>
        {children && (
          <Text c="dimmed" component="div">
            {children}
          </Text>
        )}
        {action}
      </Stack>
    </Center>
  );
}
