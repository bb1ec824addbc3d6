import { Group, Text, Title } from "@mantine/core";
import type { ReactNode } from "react";

interface PageTitleProps {
  title: string;
  /** What the tab is called. Default: the title. */
  tab?: string | undefined;
  /** One line on what the page is for. */
  children?: ReactNode;
  /** Buttons at its end. */
  actions?: ReactNode;
}

/** The page's heading, which names the tab too. */
export function PageTitle({ title, tab = title, children, actions }: PageTitleProps) {
  return (
    <Group justify="space-between" align="flex-start" mb="lg" gap="sm">
      <title>{`${tab} · TokenLens`}</title>
      <div style={{ minWidth: 0 }}>
        <Title order={1} fz={{ base: 22, sm: 26 }} lineClamp={3}>
          {title}
        </Title>
        {children && (
          <Text c="dimmed" mt={4} component="div">
            {children}
          </Text>
        )}
      </div>
      {actions && <Group gap="xs">{actions}</Group>}
    </Group>
  );
}
