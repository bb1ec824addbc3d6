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
    ...path(result),
  ];
  return paragraph(facts, " · ", columns);
}

/** Of a method whose scores should add up: in how many steps they do, and by how much they miss at most. */
function path({ pathSteps, convergenceDeltas }: Attribution): string[] {
  const steps = pathSteps && [Math.min(...pathSteps), Math.max(...pathSteps)];
  const delta = convergenceDeltas && Math.max(...convergenceDeltas.map(Math.abs));
  return [
    ...(steps ? [steps[0] === steps[1] ? `${steps[0]} steps` : `${steps[0]} to ${steps[1]} steps`] : []),
    ...(delta === undefined ? [] : [`convergence delta ${delta.toExponential(1)} at most`]),
  ];
}

export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}
