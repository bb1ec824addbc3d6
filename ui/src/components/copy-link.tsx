import { Button } from "@mantine/core";
import { useClipboard } from "@mantine/hooks";
import { IconLink } from "@tabler/icons-react";

/** Copies the address, which opens exactly this view. */
export function CopyLink() {
  const link = useClipboard({ timeout: 2500 });
  return (
    <Button
      variant="default"
      leftSection={<IconLink size={17} aria-hidden />}
      onClick={() => link.copy(window.location.href)}
    >
      {link.copied ? "Link copied" : "Copy link"}
    </Button>
  );
}
