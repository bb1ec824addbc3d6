import type { AttributionData, Token } from "../result.js";
import { type AggregationFunctionName, aggregationFunctions, stepScoreFunction } from "./functions.js";
import { checkSpans, reduceAxis, type Segment, type Span, toSegments } from "./segments.js";

type Mergeable = Pick<
  AttributionData,
  "tokens" | "promptLength" | "shape" | "scores" | "stepScores" | "convergenceDeltas" | "pathSteps"
>;

/**
 * Merges each span of tokens into one, as position and as output: first along the outputs, then along the positions, as
 * Inseq does. Step scores go by {@link stepScoreFunction}.
 *
 * A span over the end of the prompt becomes an output: of it, only the tokens that are outputs have scores and step
 * scores to merge.
 *
 * A merged output may have a score for itself, from what its later tokens leaned on its earlier ones. Inseq holds NaN
 * where a token does not come before another; of its functions only absmax passes over NaN. So with absmax that score
 * stays, and with the others it is zero. Elsewhere no function meets NaN: positions that come before a merged output come
 * before each of its tokens. Zeros in place of NaN therefore give the same scores.
 *
 * @throws ERR_TOKENLENSE_INPUT for wrong spans.
 */
export function mergeSpans<Data extends Mergeable>(
  data: Data,
  spans: readonly Span[],
  name: AggregationFunctionName = "absmax",
): Data {
  const { tokens, promptLength, shape } = data;
  checkSpans(spans, tokens.length);
  const segments = toSegments(spans, tokens.length);
  const outputs = segments
    .filter(({ end }) => end > promptLength)
    .map(({ start, end, merged }) => ({ start: Math.max(0, start - promptLength), end: end - promptLength, merged }));
  const [, outputCount = 0, ...trailing] = shape;
  const inner = trailing.reduce((product, size) => product * size, 1);
  const reduce = aggregationFunctions[name];
  const byOutput = reduceAxis(data.scores, outputCount, inner, outputs, reduce);
  const scores = reduceAxis(byOutput, tokens.length, outputs.length * inner, segments, reduce);

  const first = segments.length - outputs.length;
  if (name !== "absmax")
    outputs.forEach((_, output) => {
      const { start, end } = segments[first + output] as Segment;
      const own = ((first + output) * outputs.length + output) * inner;
      if (end - start > 1) scores.fill(0, own, own + inner);
    });
  return {
    ...data,
    tokens: segments.map(({ start, end }) =>
      mergeTokens(tokens.slice(start, end), end > promptLength ? "target" : "prompt"),
    ),
    promptLength: first,
    scores,
    shape: [segments.length, outputs.length, ...trailing],
    // The worst of a word's tokens stands for it.
    convergenceDeltas: data.convergenceDeltas && reduceAxis(data.convergenceDeltas, outputCount, 1, outputs, absmax),
    pathSteps:
      data.pathSteps && Int32Array.from(reduceAxis(Float32Array.from(data.pathSteps), outputCount, 1, outputs, max)),
    stepScores: Object.fromEntries(
      Object.entries(data.stepScores).map(([step, values]) => [
        step,
        reduceAxis(values, outputCount, 1, outputs, aggregationFunctions[stepScoreFunction(step)]),
      ]),
    ),
  };
}

const { absmax, max } = aggregationFunctions;

/** Id −1 says, as in Inseq, that the vocabulary has no such token. A token that is alone in its span keeps its own. */
function mergeTokens(pieces: readonly Token[], role: Token["role"]): Token {
  const [only] = pieces;
  if (only && pieces.length === 1) return only;
  return {
    token: pieces.map(({ token }) => token).join(""),
    text: pieces.map(({ text }) => text).join(""),
    id: -1,
    role,
    start: pieces[0]?.start ?? 0,
    end: pieces.at(-1)?.end ?? 0,
  };
}
