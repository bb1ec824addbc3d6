import { type NormalisationName, normalise } from "../aggregation/normalise.js";
import type { NativeDocument } from "../storage/schema.js";
import { textOf } from "../storage/token-text.js";
import { count } from "./summary.js";

// What page, image and comparison are drawn from; no module of Node, as the page is made of it too.

/** "raw": scores as they are. */
export type PictureNormalisation = "raw" | NormalisationName;

/** A stored result, ready to be drawn. */
export interface View {
  readonly document: NativeDocument;
  /** Of every position. */
  readonly texts: readonly string[];
  readonly promptLength: number;
  readonly outputs: number;
  /** Row-major, [sequence, outputs]. */
  readonly scores: Float32Array;
  /** By name, [outputs] each. */
  readonly stepScores: Readonly<Record<string, ArrayLike<number>>>;
}

/** Scores as they are shown: [sequence, outputs], NaN for what has none. */
export interface Shown {
  readonly values: Float32Array;
  /** The largest size, which gets the end of the colour scale; 0 where all are zero. */
  readonly largest: number;
  readonly signed: boolean;
}

export function viewOf(document: NativeDocument): View {
  const { input_tokens: input, output_tokens: output, association_matrix: rows } = document.data;
  const texts = [...input, ...output].map(textOf);
  const outputs = output.length;
  const scores = new Float32Array(texts.length * outputs);
  rows.forEach((row, column) => {
    row.forEach((score, position) => {
      scores[position * outputs + column] = score;
    });
  });
  return { document, texts, promptLength: input.length, outputs, scores, stepScores: document.data.step_scores ?? {} };
}

/** Whether a position comes before an output, so that it has a score for it. */
export function precedes(view: View, position: number, output: number): boolean {
  return position < view.promptLength + output;
}

/** @throws ERR_TOKENLENSE_INPUT for an unknown normalisation. */
export function shown(view: View, by: PictureNormalisation): Shown {
  return measured(by === "raw" ? view.scores : normalise(by, view.scores, view.outputs));
}

export function measured(values: Float32Array): Shown {
  let largest = 0;
  let signed = false;
  for (const value of values) {
    if (Math.abs(value) > largest) largest = Math.abs(value);
    if (value < 0) signed = true;
  }
  return { values, largest, signed };
}

/** Each position's mean over the outputs that come after it; NaN for the last. */
export function means(view: View, { values }: Shown): Float32Array {
  return Float32Array.from(view.texts, (_, position) => {
    let [sum, count] = [0, 0];
    for (let output = 0; output < view.outputs; output++) {
      const value = values[position * view.outputs + output] as number;
      if (!precedes(view, position, output) || Number.isNaN(value)) continue;
      sum += value;
      count++;
    }
    return sum / count;
  });
}

/** For each score its place among those of its output by size, from 0. */
export function ranks(view: View, { values }: Shown): Uint32Array {
  const { outputs, texts } = view;
  const places = new Uint32Array(values.length);
  // Typed arrays sort without a callback many times as fast, and a page of 1,000 tokens sorts 400 columns at once: so the
  // bits of a size, which sort as the size does, and below them the position, the first of those that are alike.
  const last = 2 ** 21 - 1;
  const size = new Float32Array(1);
  const bits = new Uint32Array(size.buffer);
  const keys = new Float64Array(texts.length);
  for (let output = 0; output < outputs; output++) {
    for (let position = 0; position < texts.length; position++) {
      size[0] = Math.abs(values[position * outputs + output] as number) || 0;
      keys[position] = (bits[0] as number) * (last + 1) + (last - position);
    }
    keys.sort();
    for (let place = 0; place < texts.length; place++) {
      const position = last - ((keys[texts.length - 1 - place] as number) % (last + 1));
      places[position * outputs + output] = place;
    }
  }
  return places;
}

/** What a result is, in short pieces: model, method and step function, shape, date. */
export function facts({ document, promptLength, outputs }: View): string[] {
  const { metadata, tokenlense_native: ours } = document;
  const method = metadata.attribution_method ?? "unknown method";
  return [
    metadata.llm_id,
    ours?.step === undefined ? method : `${method} of ${ours.step}`,
    `${count(promptLength, "prompt token")}, ${count(outputs, "output")}`,
    metadata.timestamp.slice(0, 16).replace("T", " "),
  ];
}
