import type { AttributionData } from "../result.js";
import { checkSpans, type Span } from "./segments.js";

/**
 * Keeps the tokens of the prompt that lie in the spans, and all outputs: a span may reach into these and changes nothing
 * there.
 * @throws ERR_TOKENLENSE_INPUT for wrong spans.
 */
export function slice(data: AttributionData, spans: readonly Span[]): AttributionData {
  const { tokens, promptLength, shape } = data;
  checkSpans(spans, tokens.length);
  const kept = [...tokens.keys()].filter(
    (i) => i >= promptLength || spans.some(([start, end]) => start <= i && i < end),
  );
  const row = data.scores.length / tokens.length;
  const scores = new Float32Array(kept.length * row);
  kept.forEach((from, to) => {
    scores.set(data.scores.subarray(from * row, (from + 1) * row), to * row);
  });
  return {
    ...data,
    tokens: kept.map((i) => tokens[i] as (typeof tokens)[number]),
    promptLength: kept.length - (tokens.length - promptLength),
    scores,
    shape: [kept.length, ...shape.slice(1)],
  };
}
