import { group } from "d3-array";
import { load } from "../storage/results.js";
import { compareViews, correlationText, meanOfKnown } from "../viz/agreement.js";
import { viewOf } from "../viz/view.js";
import { percent } from "./numbers.js";
import { isMeasured, type Likeness, type Report, type Row, type Stage, stageSchema } from "./schema.js";

/**
 * How far methods agree: each pair on each prompt of a model, by the stored results; those of one prompt are in memory.
 * @param fileOf The result of a row that has one.
 * @throws as `load`.
 */
export async function agreementOfMethods(
  rows: readonly Row[],
  fileOf: (row: Row) => string | undefined,
): Promise<Report["agreement"]> {
  const stored = rows
    .map((row) => ({ ...row, file: fileOf(row) }))
    .filter((row): row is Stored => row.file !== undefined)
    .sort((a, b) => a.model.localeCompare(b.model) || a.prompt - b.prompt || a.method.localeCompare(b.method));
  const agreement: Report["agreement"] = [];
  for (const members of group(stored, ({ model, prompt }) => JSON.stringify([model, prompt])).values()) {
    const views = await Promise.all(members.map(async ({ file }) => viewOf((await load(file)).toJSON())));
    for (const { results, spearman, topOverlap } of compareViews(views)) {
      const [{ model, prompt, method }, { method: other }] = [members[results[0]] as Row, members[results[1]] as Row];
      agreement.push({ model, prompt, method, other, spearman, topOverlap });
    }
  }
  return agreement;
}

type Stored = Row & { file: string };

/** Means over prompts. */
export function likenessMeans({
  agreement,
  randomisation,
}: Pick<Report, "agreement" | "randomisation">): Pick<Report, "agreementMeans" | "randomisationMeans"> {
  const checked = randomisation
    .filter(isMeasured)
    .sort((a, b) => a.model.localeCompare(b.model) || a.method.localeCompare(b.method) || depth(a) - depth(b));
  return {
    agreementMeans: means(agreement, ({ model, method, other }) => ({ model, method, other })),
    randomisationMeans: means(checked, ({ model, method, stage }) => ({ model, method, stage })),
  };
}

const depth = ({ stage }: { stage: Stage }) => stageSchema.options.indexOf(stage);

function means<R extends Likeness, Key extends object>(rows: readonly R[], keyOf: (row: R) => Key) {
  return [...group(rows, (row) => JSON.stringify(keyOf(row)))].map(([key, members]) => ({
    ...(JSON.parse(key) as Key),
    prompts: members.length,
    spearman: meanOfKnown(members.map(({ spearman }) => spearman)),
    topOverlap: meanOfKnown(members.map(({ topOverlap }) => topOverlap)),
  }));
}

/** For each model methods × methods, as text, the first line a head: rank correlation and overlap of each pair. */
export function agreementTables({ agreementMeans }: Pick<Report, "agreementMeans">) {
  return [...group(agreementMeans, ({ model }) => model)].map(([model, pairs]) => {
    const names = [...new Set(pairs.flatMap(({ method, other }) => [method, other]))];
    const cell = (...both: string[]) =>
      likenessText(
        pairs.find(({ method, other }) => method !== other && both.includes(method) && both.includes(other)),
      );
    return {
      model,
      rows: [["method", ...names], ...names.map((name) => [name, ...names.map((other) => cell(name, other))])],
    };
  });
}

/** Each method of each model, as text, the first line a head: what is left at each stage. */
export function randomisationRows({ randomisationMeans }: Pick<Report, "randomisationMeans">): string[][] {
  const groups = group(randomisationMeans, ({ model, method }) => JSON.stringify([model, method]));
  return [
    ["model", "method", ...stageSchema.options],
    ...[...groups.values()].map((stages) => [
      ...[stages[0]?.model ?? "", stages[0]?.method ?? ""],
      ...stageSchema.options.map((name) => likenessText(stages.find(({ stage }) => stage === name))),
    ]),
  ];
}

/** Nothing for what was not compared, a dash for what cannot be. */
export function likenessText(likeness: Likeness | undefined): string {
  if (!likeness) return "";
  const { spearman, topOverlap } = likeness;
  if (spearman === undefined) return "–";
  return [correlationText(spearman), ...(topOverlap === undefined ? [] : [percent(topOverlap)])].join(", ");
}
