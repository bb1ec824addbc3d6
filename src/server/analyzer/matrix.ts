import { aggregationFunctions, type Reduction } from "../../aggregation/functions.js";
import type { Attribution } from "../../result.js";
import { load } from "../../storage/results.js";
import type { Entry } from "../results/describe.js";
import type { AggregationName } from "./schemas.js";

const { sum, mean, vnorm, max } = aggregationFunctions;
/** `abs_sum` is the sum of what was made positive before. */
const reductions: Readonly<Record<AggregationName, Reduction>> = { sum, mean, max, l2_norm: vnorm, abs_sum: sum };

/** What the Analyzer tells of a file, of its first sequence. */
export async function readFile(entry: Entry, aggregation: AggregationName) {
  using result = await load(entry.path);
  const entries = result.tokens.map(({ id, token }) => ({ id, token }));
  const { dimensions } = result;
  return {
    source_tokens: entries.slice(0, result.promptLength),
    target_tokens: entries,
    attribution_matrix: matrixOf(result, aggregation),
    matrix_info: {
      shape: [...result.shape],
      dtype: "float32" as const,
      is_attention: dimensions.length === 2,
      tensor_type: result.method,
    },
  };
}

/** [sequence, outputs] as rows: the scores as they are, or with further dimensions reduced. */
function matrixOf({ scores, tokens, outputs, dimensions }: Attribution, aggregation: AggregationName): number[][] {
  const inner = scores.length / (tokens.length * outputs);
  const values = aggregation === "abs_sum" && dimensions.length > 0 ? scores.map(Math.abs) : scores;
  const reduce = reductions[aggregation];
  const cell = (place: number) =>
    dimensions.length === 0 ? (values[place] as number) : reduce(values, place * inner, inner, 1);
  return tokens.map((_, position) => Array.from({ length: outputs }, (_, output) => cell(position * outputs + output)));
}
