import type { Attribution } from "../result.js";
import { paragraph } from "./text.js";

/** What was attributed, how, and how long it took, in lines of at most `columns`. */
export function summary(result: Attribution, columns: number): string[] {
  const { generate, attribute } = result.timings;
  const facts = [
    result.modelName,
    result.step === undefined ? result.method : `${result.method} of ${result.step}`,
    `${count(result.promptLength, "prompt token")}, ${count(result.outputs, "output")}`,
    ...(generate === undefined ? [] : [`generated in ${generate.toFixed(2)} s`]),
    ...(attribute === undefined ? [] : [`attributed in ${attribute.toFixed(2)} s`]),
  ];
  return paragraph(facts, " · ", columns);
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}
