import { Button, Menu } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { IconDownload } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { useSearchParams } from "react-router";
import type { NativeDocument } from "../../api/results.js";
import { CopyLink } from "../../components/copy-link.js";
import { csvOf } from "../../components/csv.js";
import { readState } from "../../components/lens-query.js";
import { saveFile } from "../../components/save-file.js";
import { agreementChart } from "./agreement-chart.js";
import { agreementQuery, readTop } from "./agreement-query.js";

/** What can be done with a comparison besides looking at it. */
export function Actions({ ids, documents }: { ids: readonly string[]; documents: readonly NativeDocument[] }) {
  const [query] = useSearchParams();
  const queries = useQueryClient();
  const save = async (name: string, contentOf: (comparison: Awaited<ReturnType<typeof compared>>) => Blob) => {
    try {
      saveFile(name, contentOf(await compared()));
    } catch (error) {
      notifications.show({ color: "red", title: "They cannot be compared", message: (error as Error).message });
    }
  };
  const compared = () => queries.ensureQueryData(agreementQuery(ids, readTop(query)));
  const json = (value: unknown) => new Blob([JSON.stringify(value)], { type: "application/json" });
  return (
    <>
      <CopyLink />
      <Menu position="bottom-end" withinPortal>
        <Menu.Target>
          <Button variant="default" leftSection={<IconDownload size={17} aria-hidden />}>
            Save
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item onClick={() => save("agreement.csv", ({ pairs }) => csvOf(agreementChart(pairs)?.rows ?? []))}>
            Agreement, CSV
          </Menu.Item>
          <Menu.Item
            onClick={() =>
              save("comparison.json", (comparison) => json({ ...comparison, view: readState(query), documents }))
            }
          >
            All, JSON
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
    </>
  );
}
