import { ActionIcon, Card, Group, Text, Title } from "@mantine/core";
import { useElementSize } from "@mantine/hooks";
import { IconDownload, IconTable } from "@tabler/icons-react";
import { useEffect, useId, useRef, useState } from "react";
import { type Chart, draw } from "../../../src/bench/drawing.js";
import { csvOf } from "./csv.js";
import { saveFile } from "./save-file.js";
import { TextTable } from "./text-table.js";

/** A chart as wide as there is room, and what it shows as a table. */
export function ChartFigure({ chart }: { chart: Chart }) {
  const { title, caption, rows, names } = chart;
  const id = useId();
  const [tabled, setTabled] = useState(false);
  return (
    <Card component="section" withBorder padding="md" aria-labelledby={id}>
      <Group justify="space-between" wrap="nowrap" align="flex-start" gap="xs">
        <Title order={2} fz="md" id={id}>
          {title}
        </Title>
        <Group gap={4} wrap="nowrap">
          <ActionIcon
            variant="subtle"
            color="gray"
            onClick={() => setTabled(!tabled)}
            aria-label={`${title} as a table`}
            title="As a table"
            aria-expanded={tabled}
          >
            <IconTable size={18} aria-hidden />
          </ActionIcon>
          <ActionIcon
            variant="subtle"
            color="gray"
            onClick={() => saveFile(`${title.toLowerCase().replaceAll(" ", "-")}.csv`, csvOf(rows))}
            aria-label={`${title} as CSV`}
            title="As CSV"
          >
            <IconDownload size={18} aria-hidden />
          </ActionIcon>
        </Group>
      </Group>
      <Drawing chart={chart} />
      <Text size="sm" c="dimmed" mt="xs">
        {caption}
      </Text>
      {tabled && <TextTable label={`${title}, table`} rows={rows} names={names} />}
    </Card>
  );
}

function Drawing({ chart }: { chart: Chart }) {
  const { ref: room, width } = useElementSize();
  const holder = useRef<HTMLDivElement>(null);
  const wide = Math.floor(width);
  useEffect(() => {
    if (wide > 0) holder.current?.replaceChildren(draw(chart, { width: wide }));
  }, [chart, wide]);
  return (
    <div ref={room} role="img" aria-label={`${chart.title}. ${chart.caption}`} style={{ marginTop: 8 }}>
      <div ref={holder} aria-hidden="true" className="drawing" />
    </div>
  );
}
