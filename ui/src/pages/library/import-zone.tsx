import { Group, Stack, Text } from "@mantine/core";
import { Dropzone } from "@mantine/dropzone";
import { IconFileImport } from "@tabler/icons-react";

/** The whole window, while a file is held over it. */
export function ImportZone({ onFiles }: { onFiles: (files: File[]) => void }) {
  return (
    <Dropzone.FullScreen withinPortal={false} onDrop={onFiles} aria-label="Import results">
      <Group justify="center" h="calc(100vh - 120px)" style={{ pointerEvents: "none" }}>
        <Stack align="center" gap="xs">
          <IconFileImport size={52} stroke={1.4} aria-hidden />
          <Text size="xl" fw={600}>
            Drop results here
          </Text>
          <Text c="dimmed">TokenLense's or Inseq's files: .json, or .json.gz</Text>
        </Stack>
      </Group>
    </Dropzone.FullScreen>
  );
}
