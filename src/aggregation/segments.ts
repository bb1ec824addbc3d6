import { TokenlenseError } from "../errors.js";
import type { Reduction } from "./functions.js";

/** Positions [start, end) of the sequence, from zero. */
export type Span = readonly [start: number, end: number];

/** A piece of an axis: a single place as it was, or a span to be merged into one. */
export interface Segment {
  start: number;
  end: number;
  merged: boolean;
}

/**
 * Spans must hold something, ascend, not overlap, and lie in the sequence.
 * @throws ERR_TOKENLENSE_INPUT naming the span.
 */
export function checkSpans(spans: readonly Span[], length: number): void {
  let previous: Span | undefined;
  for (const span of spans) {
    const [start, end] = span;
    const wrong = (what: string) =>
      new TokenlenseError("ERR_TOKENLENSE_INPUT", `The span [${start}, ${end}] ${what}.`, {
        hint: "A span is [start, end) in positions of the sequence, from zero; the end is not part of it.",
      });
    if (end <= start) throw wrong("is empty");
    if (start < 0 || end > length) throw wrong(`is not within the sequence, which has ${length} tokens`);
    if (previous && start < previous[1])
      throw wrong(
        `${end > previous[0] ? "overlaps" : "comes before"} the one given before it, [${previous.join(", ")}]`,
      );
    previous = span;
  }
}

/** An axis of `length` in segments: the spans, and every place outside them by itself. */
export function toSegments(spans: readonly Span[], length: number): Segment[] {
  const segments: Segment[] = [];
  let place = 0;
  const singlesUntil = (end: number) => {
    for (; place < end; place++) segments.push({ start: place, end: place + 1, merged: false });
  };
  for (const [start, end] of spans) {
    singlesUntil(start);
    segments.push({ start, end, merged: true });
    place = end;
  }
  singlesUntil(length);
  return segments;
}

/**
 * Reduces the segments of one axis: `values`, row-major [outer, length, inner], become [outer, segments, inner]. A segment
 * that is not merged is copied.
 */
export function reduceAxis(
  values: Float32Array,
  length: number,
  inner: number,
  segments: readonly Segment[],
  reduce: Reduction,
): Float32Array {
  const outer = values.length / (length * inner);
  const result = new Float32Array(outer * segments.length * inner);
  let cell = 0;
  for (let block = 0; block < outer; block++)
    for (const { start, end, merged } of segments) {
      const from = (block * length + start) * inner;
      for (let i = 0; i < inner; i++)
        result[cell++] = merged ? reduce(values, from + i, end - start, inner) : (values[from + i] as number);
    }
  return result;
}
