import { type PictureNormalisation, precedes, ranks, type Shown, shown, type View } from "../view.js";
import type { Board, Focus } from "./board.js";

type Span = Pick<Focus, "position" | "end">;

/** What a span leaned on and what leans on it: a score for each position, NaN for what has none. */
export interface Around {
  readonly values: Float32Array;
  /** The largest size, which gets the end of the colour scale; 1 where all are zero. */
  readonly largest: number;
}

/** Scores over the tokens of one result, filtered as the page's settings say. */
export class Layer {
  /** Whose tokens these are. */
  readonly result: number;
  readonly view: View;
  readonly #board: Board;
  readonly #scores: (by: PictureNormalisation) => Shown;
  #by: PictureNormalisation | undefined;
  #all!: Shown;
  #ranks: Uint32Array | undefined;
  #filtered: { key: string; shown: Shown } | undefined;
  #around: { key: string; of: Shown; around: Around } | undefined;

  constructor(board: Board, result: number, scores?: (by: PictureNormalisation) => Shown) {
    this.#board = board;
    this.result = result;
    this.view = board.views[result] as View;
    this.#scores = scores ?? ((by) => shown(this.view, by));
  }

  /** Before the filter. */
  get all(): Shown {
    const { normalisation } = this.#board.settings;
    if (this.#by !== normalisation) {
      this.#by = normalisation;
      this.#all = this.#scores(normalisation);
      this.#ranks = undefined;
      this.#filtered = undefined;
    }
    return this.#all;
  }

  /** After the filter: NaN for what it hides. */
  get shown(): Shown {
    const { all } = this;
    const { strength, topK } = this.#board.settings;
    const key = `${strength} ${topK}`;
    if (this.#filtered?.key !== key) this.#filtered = { key, shown: { ...all, values: this.#filter(strength, topK) } };
    return this.#filtered.shown;
  }

  #filter(strength: number, topK: number): Float32Array {
    const { values, largest } = this.#all;
    const least = strength * largest;
    const kept = values.slice();
    if (least > 0)
      for (let cell = 0; cell < kept.length; cell++)
        if (Math.abs(kept[cell] as number) < least) kept[cell] = Number.NaN;
    if (topK > 0) {
      this.#ranks ??= ranks(this.view, this.#all);
      for (let cell = 0; cell < kept.length; cell++) if ((this.#ranks[cell] as number) >= topK) kept[cell] = Number.NaN;
    }
    return kept;
  }

  value(position: number, output: number): number {
    return this.shown.values[position * this.view.outputs + output] as number;
  }

  /** Of a span, with what is shown: sums over its tokens. */
  around({ position, end }: Span): Around {
    const { shown } = this;
    const key = `${position} ${end}`;
    if (this.#around?.key !== key || this.#around.of !== shown) {
      const values = Float32Array.from(this.view.texts, (_, other) =>
        between(this.view, shown, { position, end }, other),
      );
      let largest = 0;
      for (const value of values) if (Math.abs(value) > largest) largest = Math.abs(value);
      this.#around = { key, of: shown, around: { values, largest: largest || 1 } };
    }
    return this.#around.around;
  }
}

/** What `other` counted for the outputs of a span, or where it comes after, the span for it; NaN where none is shown. */
export function between(view: View, { values }: Shown, { position, end }: Span, other: number): number {
  const { outputs, promptLength } = view;
  const isBefore = other < position;
  const [from, to] = isBefore ? [Math.max(position, promptLength), end] : [position, end];
  let [sum, count] = [0, 0];
  for (let place = from; place < to; place++) {
    const [earlier, output] = isBefore ? [other, place - promptLength] : [place, other - promptLength];
    if (output < 0 || (!isBefore && other < end) || !precedes(view, earlier, output)) return Number.NaN;
    const value = values[earlier * outputs + output] as number;
    if (Number.isNaN(value)) continue;
    sum += value;
    count++;
  }
  return count > 0 ? sum : Number.NaN;
}
