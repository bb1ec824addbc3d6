import type { Attribution } from "../../src/result.js";
import { example } from "../example.js";

const prompt = ["The", " sky", " over", " the", " sea", " is"];
const outputs = [" blue", " and", " wide", "."];
const at = (minute: number) => new Date(Date.UTC(2026, 4, 1, 12, minute));

/** One text by two methods and on two models, and another text. Each method leans on a token of its own. */
export const stored = (): Record<"saliency" | "lime" | "larger" | "other", Attribution> => ({
  saliency: example(prompt, outputs, leaning(1), { timestamp: at(1) }),
  lime: example(prompt, outputs, leaning(4), { timestamp: at(2), method: "lime" }),
  larger: example(prompt, outputs, leaning(1, 0.4), { timestamp: at(3), modelName: "org/a-larger-model" }),
  other: example(["Bees", " make"], [" honey", "."], leaning(0), { timestamp: at(4) }),
});

const leaning =
  (token: number, ripple = 0.3) =>
  (position: number, output: number): number =>
    (position === token ? 4 : 1) + ripple * Math.sin(3 * position + 5 * output);
