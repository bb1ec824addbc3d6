import { type PictureNormalisation, ranks, type Shown, shown, type View } from "../view.js";
import type { Board } from "./board.js";

/** Scores over the tokens of one result, filtered as the page's settings say. */
export class Layer {
  /** Whose tokens these are. */
  readonly result: number;
  readonly view: View;
  readonly #board: Board;
  readonly #scores: (by: PictureNormalisation) => Shown;
  #by: PictureNormalisation | undefined;
  #all!: Shown;
  #ranks!: Uint32Array;
  #filtered: { key: string; shown: Shown } | undefined;

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
      this.#ranks = ranks(this.view, this.#all);
      this.#filtered = undefined;
    }
    return this.#all;
  }

  /** After the filter: NaN for what it hides. */
  get shown(): Shown {
    const { all } = this;
    const { strength, topK } = this.#board.settings;
    const key = `${strength} ${topK}`;
    if (this.#filtered?.key !== key) {
      const least = strength * all.largest;
      const values = all.values.map((value, cell) =>
        Math.abs(value) < least || (topK > 0 && (this.#ranks[cell] as number) >= topK) ? Number.NaN : value,
      );
      this.#filtered = { key, shown: { ...all, values } };
    }
    return this.#filtered.shown;
  }

  /** The largest size among what a token leaned on and what leans on it, which gets the end of its colour scale. */
  largestAround(position: number): number {
    const { outputs, promptLength, texts } = this.view;
    let largest = 0;
    const take = (value: number) => {
      if (Math.abs(value) > largest) largest = Math.abs(value);
    };
    for (let output = 0; output < outputs; output++) take(this.value(position, output));
    if (position >= promptLength)
      for (let from = 0; from < texts.length; from++) take(this.value(from, position - promptLength));
    return largest || 1;
  }

  value(position: number, output: number): number {
    return this.shown.values[position * this.view.outputs + output] as number;
  }
}
