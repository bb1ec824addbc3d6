import { group } from "d3-array";
import type { FaithfulnessFigures } from "../faithfulness/figures.js";
import { type FaithfulnessEstimate, summariseFaithfulness } from "../faithfulness/summary.js";
import { significant } from "./numbers.js";
import { isMeasured, type Report, type Row } from "./schema.js";

/** What the table of chance shows, for text and page. */
export const CHANCE =
  "How far each method goes beyond random orders: its figure less theirs, means over prompts with 95 % intervals (paired bootstrap over prompts). Higher comprehensiveness and insertion are better, lower sufficiency and deletion.";

type Estimates = Report["faithfulness"][number];
type Figures = Record<"comprehensiveness" | "sufficiency" | "deletion" | "insertion", number>;

/**
 * How much more faithful than random orders each method is on each model: means over prompts, with intervals by the paired
 * bootstrap over prompts.
 */
export function faithfulnessMeans(rows: readonly Row[]): Estimates[] {
  const assessed = rows
    .filter(isMeasured)
    .flatMap(({ model, method, prompt, faithfulness }) =>
      faithfulness ? [{ model, method, prompt, ...faithfulness }] : [],
    )
    // Equal figures get equal intervals, whatever the order in which they were measured.
    .sort((a, b) => a.model.localeCompare(b.model) || a.method.localeCompare(b.method) || a.prompt - b.prompt);
  return [...group(assessed, ({ model, method }) => JSON.stringify([model, method])).values()].map((prompts) => {
    const [{ model, method } = { model: "", method: "" }] = prompts;
    const of = prompts.map(({ random, ...own }) => ({ outputs: [{ attribution: areas(own), random: areas(random) }] }));
    const mean = summariseFaithfulness(of);
    return {
      ...{ model, method, prompts: prompts.length },
      comprehensiveness: estimate(mean.meanComprehensiveness),
      sufficiency: estimate(mean.meanSufficiency),
      deletion: estimate(mean.deletionArea),
      insertion: estimate(mean.insertionArea),
    };
  });
}

/** A prompt's figures as those of an output are, without curves. */
function areas({ comprehensiveness, sufficiency, deletion, insertion }: Figures): FaithfulnessFigures {
  return {
    ...{ comprehensiveness: [], sufficiency: [], deletion: [], insertion: [] },
    ...{ meanComprehensiveness: comprehensiveness, meanSufficiency: sufficiency },
    ...{ deletionArea: deletion, insertionArea: insertion },
  };
}

function estimate({ attribution, random, difference, interval }: FaithfulnessEstimate): Estimates["deletion"] {
  return { attribution, random, difference, ...(interval && { interval: [...interval] }) };
}

/** As text, the first line a head: differences and their intervals. */
export function chanceRows({ faithfulness }: Pick<Report, "faithfulness">): string[][] {
  const names = ["comprehensiveness", "sufficiency", "deletion", "insertion"] as const;
  return [
    ["model", "method", "prompts", ...names],
    ...faithfulness.map((method) => [
      ...[method.model, method.method, String(method.prompts)],
      ...names.map((name) => differenceText(method[name])),
    ]),
  ];
}

function differenceText({ difference, interval }: Estimates["deletion"]): string {
  const text = (value: number) => significant(value).replace("-", "−");
  return [text(difference), ...(interval ? [`(${interval.map(text).join(" to ")})`] : [])].join(" ");
}
