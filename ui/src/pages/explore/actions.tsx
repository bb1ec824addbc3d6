import { Button, Menu } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { notifications } from "@mantine/notifications";
import { IconColumns, IconDots, IconFileExport, IconTrash } from "@tabler/icons-react";
import { useMutation } from "@tanstack/react-query";
import { useNavigate } from "react-router";
import { inseqFile } from "../../api/results.js";
import { CopyLink } from "../../components/copy-link.js";
import { saveFile } from "../../components/save-file.js";
import { useRemoval } from "../../removal/use-removal.js";
import { CompareDialog } from "./compare-dialog.js";

/** What can be done with a result besides looking at it. The drawing itself saves pictures and JSON. */
export function Actions({ id, sequence }: { id: string; sequence: number }) {
  const navigate = useNavigate();
  const remove = useRemoval();
  const [comparing, compare] = useDisclosure();
  const exported = useMutation({
    mutationFn: () => inseqFile(id, sequence),
    onSuccess: ({ name, content }) => saveFile(name, content),
    onError: ({ message }) => notifications.show({ color: "red", title: "No file for Inseq", message }),
  });
  return (
    <>
      <CopyLink />
      <Button variant="default" leftSection={<IconColumns size={17} aria-hidden />} onClick={compare.open}>
        Compare with…
      </Button>
      <Menu position="bottom-end" withinPortal>
        <Menu.Target>
          <Button variant="default" px="xs" aria-label="More">
            <IconDots size={18} aria-hidden />
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item leftSection={<IconFileExport size={16} aria-hidden />} onClick={() => exported.mutate()}>
            Save for Inseq
          </Menu.Item>
          <Menu.Item
            color="red"
            leftSection={<IconTrash size={16} aria-hidden />}
            onClick={() => {
              remove([id]);
              navigate("/library");
            }}
          >
            Delete
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      {comparing && <CompareDialog id={id} onClose={compare.close} />}
    </>
  );
}
