import { group } from "d3-array";
import { load } from "../storage/results.js";
import { compareViews, meanOfKnown } from "../viz/agreement.js";
import { viewOf } from "../viz/view.js";
import { stages } from "./likeness-text.js";
import { isMeasured, type Likeness, type Report, type Row, type Stage } from "./schema.js";

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

const depth = ({ stage }: { stage: Stage }) => stages.indexOf(stage);

function means<R extends Likeness, Key extends object>(rows: readonly R[], keyOf: (row: R) => Key) {
  return [...group(rows, (row) => JSON.stringify(keyOf(row)))].map(([key, members]) => ({
    ...(JSON.parse(key) as Key),
    prompts: members.length,
    spearman: meanOfKnown(members.map(({ spearman }) => spearman)),
    topOverlap: meanOfKnown(members.map(({ topOverlap }) => topOverlap)),
  }));
}
