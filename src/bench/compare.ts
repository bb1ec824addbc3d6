import { group } from "d3-array";
import { mean, median, quantile, sampleWithReplacement } from "simple-statistics";
import { uniform } from "../methods/draw.js";
import { significant } from "./numbers.js";
import { isMeasured, type MeasuredRow, type Report } from "./schema.js";

const RESAMPLES = 2000;
/** Of the interval: many pairs of model and method are compared at once. */
const CONFIDENCE = 0.99;
/** A change that is smaller is no news: machines differ by as much from one hour to the next. */
const NEWS = 0.02;
/** Within this the two count as the same. */
const SAME = 0.05;

/** What stands for the method of what no method changes. */
const ANY_METHOD = "any";

export type Verdict = "less" | "more" | "same" | "unclear" | "too few";

const figures = {
  seconds: (row: MeasuredRow) => row.attributeSeconds,
  generation: (row: MeasuredRow) => row.generateSeconds,
  memory: (row: MeasuredRow) => row.peakBytes,
} as const;
export type ComparedFigure = keyof typeof figures;

export interface ComparedMethod {
  model: string;
  method: string;
  figure: ComparedFigure;
  /** Prompts that both have. */
  prompts: number;
  /** The other's figure over the base's: geometric mean over prompts, and the ends of its interval. */
  ratio: number;
  low: number;
  high: number;
  verdict: Verdict;
}

/** One run set against another. */
export interface Comparison {
  /** Numbers of the runs, from 1. */
  base: number;
  other: number;
  note: string;
  methods: ComparedMethod[];
}

/**
 * Sets each run against the first, model by model and method by method, over the prompts that both have. The noise that is
 * reckoned with is that between repeats and between prompts: a bootstrap of ratios, paired by prompt, which draws prompts
 * and in each the repeats of both runs anew (Efron & Tibshirani 1993, An Introduction to the Bootstrap).
 */
export function compareReports([base, ...others]: readonly Report[]): Comparison[] {
  if (!base) return [];
  return others.map((other, i) => ({
    base: 1,
    other: i + 2,
    note: note(base, other),
    methods: comparedMethods(base, other),
  }));
}

function comparedMethods(base: Report, other: Report): ComparedMethod[] {
  return (Object.keys(figures) as ComparedFigure[]).flatMap((figure) => {
    const [mine, theirs] = [base, other].map((report) => groups(report, figure)) as [Groups, Groups];
    return [...mine].flatMap(([key, rows]) => {
      const pairs = pairsOf(rows, theirs.get(key) ?? [], base, other, figures[figure]);
      const [model, method] = JSON.parse(key) as [string, string];
      return pairs.length > 0 ? [{ model, method, figure, prompts: pairs.length, ...ratioOf(pairs) }] : [];
    });
  });
}

type Groups = Map<string, MeasuredRow[]>;

/** By the model's own name, which is the same wherever its file lies; and by method, which generation does not depend on. */
function groups({ rows, models }: Report, figure: ComparedFigure): Groups {
  const names = new Map(models.map(({ model, name, dtype }) => [model, `${name} ${dtype}`]));
  return group(rows.filter(isMeasured), ({ model, method }) =>
    JSON.stringify([names.get(model) ?? model, figure === "generation" ? ANY_METHOD : method]),
  );
}

interface Pair {
  base: number[];
  other: number[];
}

function pairsOf(
  rows: readonly MeasuredRow[],
  against: readonly MeasuredRow[],
  base: Report,
  other: Report,
  figure: (row: MeasuredRow) => number,
): Pair[] {
  const text = ({ prompts }: Report, index: number) =>
    JSON.stringify([prompts[index]?.text, prompts[index]?.outputTokens]);
  const theirs = group(against, ({ prompt }) => text(other, prompt));
  return [...group(rows, ({ prompt }) => text(base, prompt))].flatMap(([key, repeats]) => {
    const matching = theirs.get(key);
    return matching ? [{ base: repeats.map(figure), other: matching.map(figure) }] : [];
  });
}

function ratioOf(pairs: readonly Pair[]): Pick<ComparedMethod, "ratio" | "low" | "high" | "verdict"> {
  const random = uniform(1);
  const again = <T>(values: readonly T[]): T[] => sampleWithReplacement([...values], values.length, random);
  const logs = Array.from({ length: RESAMPLES }, () =>
    mean(again(pairs).map(({ base, other }) => Math.log(median(again(other)) / median(again(base))))),
  );
  const centre = mean(pairs.map(({ base, other }) => Math.log(median(other) / median(base))));
  const tail = (1 - CONFIDENCE) / 2;
  const [low, high] = [Math.exp(quantile(logs, tail)), Math.exp(quantile(logs, 1 - tail))];
  const few = pairs.length < 3 && pairs.some(({ base, other }) => Math.min(base.length, other.length) < 3);
  return { ratio: Math.exp(centre), low, high, verdict: few ? "too few" : verdict(low, high) };
}

function verdict(low: number, high: number): Verdict {
  if (high < 1 - NEWS) return "less";
  if (low > 1 + NEWS) return "more";
  return low > 1 - SAME && high < 1 + SAME ? "same" : "unclear";
}

function note(base: Report, other: Report): string {
  const sums = new Map(base.models.map(({ name, sha256 }) => [name, sha256]));
  const differing = other.models.filter(({ name, sha256 }) => sums.has(name) && sums.get(name) !== sha256);
  const versions = ({ system }: Report) =>
    Object.entries(system.versions).map(([name, version]) => `${name} ${version}`);
  const changed = versions(other).filter((version) => !versions(base).includes(version));
  return [
    `Ratios of the later run to the first, with ${100 * CONFIDENCE} % intervals.`,
    changed.length > 0 ? `The later has ${changed.join(", ")}.` : "Versions are the same.",
    base.system.cpu === other.system.cpu
      ? "So are the processors."
      : `Processors: ${base.system.cpu}; ${other.system.cpu}.`,
    ...differing.map(({ name }) => `${name} has other weights.`),
  ].join(" ");
}

const words: Readonly<Record<ComparedFigure, Partial<Record<Verdict, string>>>> = {
  seconds: { less: "faster", more: "slower" },
  generation: { less: "faster", more: "slower" },
  memory: { less: "less", more: "more" },
};

/** As text, the first line a head. */
export function comparisonRows({ methods }: Comparison): string[][] {
  const titles = { seconds: "attribution", generation: "generation", memory: "memory" } as const;
  return [
    ["model", "method", "figure", "ratio", "interval", "prompts", "verdict"],
    ...methods.map(({ model, method, figure, prompts, ratio, low, high, verdict }) => [
      ...[model, method, titles[figure]],
      significant(ratio),
      `${significant(low)} – ${significant(high)}`,
      String(prompts),
      words[figure][verdict] ?? verdict,
    ]),
  ];
}
