import { Alert, Button, Code, Group, Text } from "@mantine/core";
import { IconAlertCircle } from "@tabler/icons-react";
import { ApiError } from "../api/request.js";

interface ErrorLike {
  code?: string | undefined;
  message: string;
  hint?: string | undefined;
}

interface ErrorStateProps {
  /** What failed: "The results cannot be listed". */
  title: string;
  error: unknown;
  retry?: (() => void) | undefined;
}

/** What went wrong, its code, and what to do. */
export function ErrorState({ title, error, retry }: ErrorStateProps) {
  const { code, message, hint } = told(error);
  return (
    <Alert role="alert" color="red" variant="light" icon={<IconAlertCircle aria-hidden />} title={title}>
      <Text size="sm">{message}</Text>
      {hint && (
        <Text size="sm" mt={4} fw={500}>
          {hint}
        </Text>
      )}
      {(code || retry) && (
        <Group mt="sm" gap="sm">
          {retry && (
            <Button size="xs" variant="default" onClick={retry}>
              Try again
            </Button>
          )}
          {code && <Code>{code}</Code>}
        </Group>
      )}
    </Alert>
  );
}

function told(error: unknown): ErrorLike {
  if (error instanceof ApiError) return error;
  if (error instanceof Error) return { message: error.message };
  if (typeof error === "object" && error !== null && "message" in error) return error as ErrorLike;
  return { message: String(error) };
}
