import { z } from "zod";
import { steps } from "../steps/index.js";
import { methods } from "./index.js";
import { costs } from "./method.js";

export type OptionSchema = z.core.JSONSchema._JSONSchema;

/** Every method and step function as JSON, with their options as JSON Schema, and what each class of cost means. */
export function describeMethods() {
  return {
    methods: Object.values(methods).map(({ name, summary, step, steps, cost, paper, options }) => ({
      name,
      summary,
      step,
      ...(steps && { steps }),
      cost,
      paper,
      options: properties(options),
    })),
    costs,
    steps: Object.values(steps).map(({ name, summary, options, contrastive, flat }) => ({
      name,
      summary,
      contrastive: contrastive ?? false,
      differentiable: !flat,
      options: options ? properties(options) : {},
    })),
  };
}

function properties(options: z.ZodType): Record<string, OptionSchema> {
  return z.toJSONSchema(options, { io: "input" }).properties ?? {};
}
