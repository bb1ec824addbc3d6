import { Table } from "@mantine/core";

interface TextTableProps {
  /** What it is a table of. */
  label: string;
  /** The first is its head. */
  rows: readonly (readonly string[])[];
  /** How many of its columns are names, and stand to the left. */
  names: number;
}

/** Rows of text, which scroll where there is no room. */
export function TextTable({ label, rows: [head = [], ...rows], names }: TextTableProps) {
  const side = (column: number) => (column < names ? "left" : "right");
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by keyboard
    <section aria-label={label} tabIndex={0} style={{ overflow: "auto", maxHeight: 420 }}>
      <Table
        fz="sm"
        verticalSpacing={4}
        horizontalSpacing={5}
        stickyHeader
        style={{ fontVariantNumeric: "tabular-nums" }}
      >
        <Table.Thead>
          <Table.Tr>
            {head.map((title, column) => (
              <Table.Th key={title} ta={side(column)} bg="var(--mantine-color-default)">
                {title}
              </Table.Th>
            ))}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {rows.map((row) => (
            <Table.Tr key={row.join("\n")}>
              {row.map((cell, column) => (
                <Table.Td key={head[column]} ta={side(column)} style={{ whiteSpace: "nowrap" }}>
                  {cell}
                </Table.Td>
              ))}
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </section>
  );
}
