import { z } from "zod";
import { methodOptions } from "../methods/choice.js";
import { findMethod } from "../methods/index.js";
import { stepChoice } from "../options.js";
import { resolveStep } from "../steps/index.js";
import type { Schemas } from "./settings/schemas.js";

/** What the API holds a choice of method and step function to, by flag. A name that is not known is told with the nearest. */
export function choiceSchemas({ method }: Record<string, unknown>): Schemas {
  const step = stepChoice.transform(resolveStep);
  return {
    method: z.string().transform(findMethod),
    option: z.record(z.string(), z.unknown()).transform((own) => methodOptions(findMethod(String(method)), own)),
    step,
    stepScore: z.array(step),
    sensitivity: step,
  };
}
