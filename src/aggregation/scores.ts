import { TokenlenseError } from "../errors.js";
import type { AttributionData } from "../result.js";
import { type AggregationFunctionName, aggregationFunctions, dimensionFunction } from "./functions.js";
import { reduceAxis } from "./segments.js";

/** Places of a dimension: one, a list, or those from `from` up to but not `to`. Negative ones count from the end. */
export type Selection = number | readonly number[] | { readonly from: number; readonly to: number };

/**
 * Reduces the last of an attribution's own dimensions, or takes one place of it as it is.
 * @param name Default: L2 norm over the embedding, mean over others.
 * @param selection Default: all places.
 * @throws ERR_TOKENLENSE_INPUT where there is no such dimension or place.
 */
export function aggregateScores(
  data: AttributionData,
  name: AggregationFunctionName = dimensionFunction(data.dimensions.at(-1)),
  selection?: Selection,
): AttributionData {
  const dimension = data.dimensions.at(-1);
  const size = data.shape.at(-1);
  if (dimension === undefined || size === undefined)
    throw new TokenlenseError(
      "ERR_TOKENLENSE_INPUT",
      "There is no dimension to aggregate: each position has one score for each output.",
      { hint: 'Embedding dimensions are kept by attribute() with aggregate: "none".' },
    );
  const places = selection === undefined ? undefined : selected(selection, dimension, size);
  const values = places ? pick(data.scores, size, places) : data.scores;
  const count = places?.length ?? size;
  const merged = typeof selection !== "number";
  return {
    ...data,
    scores: reduceAxis(values, count, 1, [{ start: 0, end: count, merged }], aggregationFunctions[name]),
    shape: data.shape.slice(0, -1),
    dimensions: data.dimensions.slice(0, -1),
  };
}

function selected(selection: Selection, dimension: string, size: number): number[] {
  const wrong = (what: string) =>
    new TokenlenseError("ERR_TOKENLENSE_INPUT", `select: ${what}.`, {
      hint: `The dimension "${dimension}" has ${size} places, 0 to ${size - 1}; negative ones count from its end.`,
    });
  const place = (index: number, end = size) => {
    const from = index < 0 ? size + index : index;
    if (from < 0 || from >= end) throw wrong(`there is no ${index}`);
    return from;
  };
  if (typeof selection === "number") return [place(selection)];
  if ("from" in selection) {
    const [from, to] = [place(selection.from), place(selection.to, size + 1)];
    if (from >= to) throw wrong(`from ${selection.from} to ${selection.to} is empty`);
    return Array.from({ length: to - from }, (_, i) => from + i);
  }
  if (selection.length === 0) throw wrong("the list is empty");
  const places = selection.map((index) => place(index));
  const twice = selection.find((_, i) => places.indexOf(places[i] as number) < i);
  if (twice !== undefined) throw wrong(`${twice} is there twice`);
  return places;
}

/** `places` of the last dimension, in their order. */
function pick(values: Float32Array, size: number, places: readonly number[]): Float32Array {
  const result = new Float32Array((values.length / size) * places.length);
  let cell = 0;
  for (let row = 0; row < values.length; row += size)
    for (const place of places) result[cell++] = values[row + place] as number;
  return result;
}
