import { group } from "d3-array";
import { correlationText } from "../viz/agreement.js";
import { percent } from "./numbers.js";
import type { Likeness, Report } from "./schema.js";

// No module of Node, as a browser's page is made of it too.

/** What has lost what it learned: final norm and head; beside them the last half of the layers; all weights. */
export const stages = ["head", "half", "all"] as const;

/** What the tables of likeness show, for text and page. */
export const AGREEMENT =
  "How far methods agree: Spearman's rank correlation of the scores of each two, and the share of the three largest that both name. Means over prompts.";
export const RANDOMISATION =
  "How far each method's scores agree with those on copies of the model whose weights are in random order (Adebayo et al. 2018): final norm and head; the last half of the layers too; all. Near 0 is hoped for; near 1 the method does not look at these weights.";

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
    ["model", "method", ...stages],
    ...[...groups.values()].map((members) => [
      ...[members[0]?.model ?? "", members[0]?.method ?? ""],
      ...stages.map((name) => likenessText(members.find(({ stage }) => stage === name))),
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
