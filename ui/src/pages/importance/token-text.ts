import { visible } from "../../../../src/viz/text.js";

/** A token as it can stand in a list: white space by itself is marked. */
export const tokenText = (token: string): string => (/^ +$/.test(token) ? "␣".repeat(token.length) : visible(token));
