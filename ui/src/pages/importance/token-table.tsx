import { Button, Table, Text, UnstyledButton } from "@mantine/core";
import { IconArrowDown } from "@tabler/icons-react";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useRef, useState } from "react";
import type { ImportantToken } from "../../api/importance.js";
import { type Figure, figures, figureText } from "./figures.js";
import { Places } from "./places.js";
import { tokenText } from "./token-text.js";

interface TokenTableProps {
  /** Sorted by `by`. */
  items: readonly ImportantToken[];
  by: Figure;
  onSort: (by: Figure) => void;
}

const ROW = 40;
const names = Object.keys(figures) as Figure[];

/** All tokens; only the rows in sight are in the document. Where it is narrow, only the figure that they are sorted by. */
export function TokenTable({ items, by, onSort }: TokenTableProps) {
  const scroller = useRef<HTMLElement>(null);
  const [open, setOpen] = useState<ImportantToken>();
  const rows = useVirtualizer({
    count: items.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW,
    overscan: 8,
  });
  const inSight = rows.getVirtualItems();
  const above = inSight[0]?.start ?? 0;
  const below = rows.getTotalSize() - (inSight.at(-1)?.end ?? 0);
  const only = (name: Figure) => (name === by ? {} : { visibleFrom: "md" as const });
  return (
    <section
      ref={scroller}
      className="framed"
      aria-label="All tokens"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by keyboard
      tabIndex={0}
      style={{ maxHeight: 560, overflow: "auto", margin: 0 }}
    >
      <Table
        aria-label="Tokens"
        aria-rowcount={items.length + 1}
        layout="fixed"
        stickyHeader
        fz="sm"
        style={{ fontVariantNumeric: "tabular-nums" }}
      >
        <Table.Thead>
          <Table.Tr aria-rowindex={1}>
            <Table.Th>Token</Table.Th>
            {names.map((name) => (
              <Table.Th key={name} w={130} ta="right" aria-sort={name === by ? "descending" : "none"} {...only(name)}>
                <UnstyledButton fz="sm" fw={600} onClick={() => onSort(name)} title={figures[name].about}>
                  {name === by && <IconArrowDown size={14} aria-hidden style={{ verticalAlign: "-2px" }} />}{" "}
                  {figures[name].label}
                </UnstyledButton>
              </Table.Th>
            ))}
            <Table.Th w={70} ta="right">
              Places
            </Table.Th>
            <Table.Th w={80} ta="right" visibleFrom="md">
              Results
            </Table.Th>
            <Table.Th w={76}>Where</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {above > 0 && <tr style={{ height: above }} />}
          {inSight.map(({ index }) => {
            const item = items[index] as ImportantToken;
            return (
              <Table.Tr key={item.token} aria-rowindex={index + 2} h={ROW}>
                <Table.Td py={0}>
                  <Text className="mono" size="sm" truncate title={item.token}>
                    {tokenText(item.token)}
                  </Text>
                </Table.Td>
                {names.map((name) => (
                  <Table.Td key={name} py={0} ta="right" {...only(name)}>
                    {figureText(name, item[name])}
                  </Table.Td>
                ))}
                <Table.Td py={0} ta="right">
                  {item.occurrences}
                </Table.Td>
                <Table.Td py={0} ta="right" visibleFrom="md">
                  {item.results}
                </Table.Td>
                <Table.Td py={0}>
                  <Button
                    size="compact-xs"
                    variant="default"
                    onClick={() => setOpen(item)}
                    aria-label={`Show where ${tokenText(item.token)} matters most`}
                  >
                    Show
                  </Button>
                </Table.Td>
              </Table.Tr>
            );
          })}
          {below > 0 && <tr style={{ height: below }} />}
        </Table.Tbody>
      </Table>
      {open && <Places item={open} onClose={() => setOpen(undefined)} />}
    </section>
  );
}
