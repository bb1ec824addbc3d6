import type { PerturbationPlan } from "../native.js";
import type { Ranking } from "./rankings.js";

/**
 * Gathers which tokens before an output stay in which of its values, and makes as few texts of that as there can be: what
 * is asked twice is computed once, and an output whose tokens are those that a longer text begins with is read off there.
 */
export class MaskedTexts {
  /** Index of each value by its mask, a letter for each token before its output: "1" where it stays. */
  readonly #values = new Map<string, number>();

  /** @param stays Of the token with this place in the ranking. @returns index of the value. */
  want(ranking: Ranking, stays: (place: number) => boolean): number {
    let mask = "";
    for (const place of ranking) mask += stays(place) ? "1" : "0";
    const known = this.#values.get(mask);
    if (known !== undefined) return known;
    this.#values.set(mask, this.#values.size);
    return this.#values.size - 1;
  }

  /** @param rows Positions of a text but the last. */
  plan(rows: number, promptLength: number) {
    // In alphabetical order a mask stands before those that begin with it.
    const masks = [...this.#values.keys()].sort();
    const textOf = new Map<string, number>();
    const texts: string[] = [];
    for (const [i, mask] of [...masks.entries()].reverse()) {
      const next = masks[i + 1];
      if (!next?.startsWith(mask)) texts.push(mask);
      textOf.set(mask, texts.length - 1);
    }
    const bytes = new Uint8Array(texts.length * rows);
    for (const [text, mask] of texts.entries())
      for (let position = 0; position < mask.length; position++)
        bytes[text * rows + position] = mask[position] === "1" ? 1 : 0;
    const wanted = [...this.#values.keys()];
    return {
      masks: bytes,
      texts: Int32Array.from(wanted, (mask) => textOf.get(mask) as number),
      outputs: Int32Array.from(wanted, (mask) => mask.length - promptLength),
    } satisfies Partial<PerturbationPlan>;
  }
}
