import type { z } from "zod";
import { unknownName } from "../nearest.js";
import { parseOptions } from "../options.js";
import { type ResolvedStep, resolveStep, type StepChoice } from "../steps/index.js";
import { requireContrast, requireStep } from "../steps/run.js";
import { findMethod, type Method } from "./index.js";

/** Which method, of which step function, as a caller names them. */
export interface MethodChoice {
  method?: string | undefined;
  options?: Record<string, unknown> | undefined;
  aggregate?: string | undefined;
  step?: StepChoice | undefined;
  stepScores?: readonly StepChoice[] | undefined;
  contrast?: unknown;
}

export interface ResolvedChoice {
  method: Method;
  /** The method's own options, with defaults. */
  own: unknown;
  step: ResolvedStep;
  stepScores: ResolvedStep[];
}

/**
 * All that can be wrong with a choice, found before a model is loaded.
 * @throws ERR_TOKENLENSE_INPUT; for a name that is not known, with the nearest.
 */
export function resolveChoice(choice: MethodChoice): ResolvedChoice {
  const { options = {}, aggregate, contrast } = choice;
  const method = findMethod(choice.method ?? "saliency");
  const step = resolveStep(choice.step ?? (contrast === undefined ? method.step : "contrast_prob_diff"));
  requireStep(method, step);
  const stepScores = (choice.stepScores ?? ["probability"]).map(resolveStep);
  requireContrast([step, ...stepScores], contrast);
  return {
    method,
    own: methodOptions(method, aggregate === undefined ? options : { ...options, aggregate }),
    step,
    stepScores,
  };
}

/**
 * A method's own options, with defaults.
 * @throws ERR_TOKENLENSE_INPUT; for an option that is not known, with the nearest.
 */
export function methodOptions(method: Method, options: Record<string, unknown>): unknown {
  const known = Object.keys((method.options as z.ZodObject).shape);
  const unknown = Object.keys(options).find((name) => !known.includes(name));
  if (unknown !== undefined) throw unknownName(`option of ${method.name}`, unknown, known);
  return parseOptions(method.options, options);
}
