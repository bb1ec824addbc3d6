import { diffArrays } from "diff";
import { measured, precedes, type Shown, type View } from "./view.js";

/** For each position of `a` that of the same token in `b`, −1 where `b` lacks it: by their longest common subsequence. */
export function align(a: View, b: View): Int32Array {
  const places = new Int32Array(a.texts.length).fill(-1);
  let [here, there] = [0, 0];
  for (const { added, removed, count } of diffArrays([...a.texts], [...b.texts])) {
    if (!added && !removed) for (let i = 0; i < count; i++) places[here + i] = there + i;
    if (!added) here += count;
    if (!removed) there += count;
  }
  return places;
}

/** An output that both have, and the positions before it that both have. */
export interface CommonOutput {
  readonly a: number;
  readonly b: number;
  readonly positions: readonly { readonly a: number; readonly b: number }[];
}

export function commonOutputs(a: View, b: View, alignment = align(a, b)): CommonOutput[] {
  const pairs = Array.from(alignment, (place, position) => ({ a: position, b: place })).filter((pair) => pair.b >= 0);
  // Both places ascend, so those before an output are the first so many, and more with each output.
  let before = 0;
  return Array.from({ length: a.outputs }, (_, output) => {
    const other = (alignment[a.promptLength + output] as number) - b.promptLength;
    if (other < 0) return { a: output, b: other, positions: [] };
    for (let pair = pairs[before]; pair && precedes(a, pair.a, output) && precedes(b, pair.b, other); )
      pair = pairs[++before];
    return { a: output, b: other, positions: pairs.slice(0, before) };
  }).filter((common) => common.b >= 0);
}

/** Of what both have, `b`'s scores less `a`'s, laid out as `a`; NaN for the rest. */
export function difference(a: View, b: View, from: Shown, to: Shown, alignment = align(a, b)): Shown {
  const values = new Float32Array(from.values.length).fill(Number.NaN);
  for (const { a: output, b: other, positions } of commonOutputs(a, b, alignment))
    for (const pair of positions) {
      const cell = pair.a * a.outputs + output;
      values[cell] = (to.values[pair.b * b.outputs + other] as number) - (from.values[cell] as number);
    }
  return { ...measured(values), signed: true };
}
