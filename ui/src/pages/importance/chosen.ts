import { isSpecial } from "../../../../src/aggregation/subwords.js";
import type { ImportantToken } from "../../api/importance.js";
import type { Figure } from "./figures.js";

export interface Wish {
  by: Figure;
  /** A part of the token, in any case. */
  token: string;
  /** In how many places at least. */
  least: number;
  /** Only what has letters or digits, and is no mark of a chat template. */
  words: boolean;
}

/** Tokens as wished, the largest figure first. */
export function chosen(items: readonly ImportantToken[], { by, token, least, words }: Wish): ImportantToken[] {
  const part = token.toLowerCase();
  return items
    .filter((item) => item.occurrences >= least && item.token.toLowerCase().includes(part))
    .filter((item) => !words || (/[\p{L}\p{N}]/u.test(item.token) && !isSpecial(item.token)))
    .sort((a, b) => b[by] - a[by]);
}
