import { z } from "zod";
import type { BenchMethod } from "../bench/plan.js";
import type { Report } from "../bench/schema.js";
import { resolveChoice } from "../methods/choice.js";
import type { MethodName } from "../methods/index.js";
import type { Dtype } from "../models/contract.js";
import { device, maxNewTokens, memoryBudget, stepChoice } from "../options.js";
import type { StepChoice } from "../steps/index.js";
import type { Schemas } from "./settings/schemas.js";

/** What `bench run` and `bench scale` share, as commander gives it. */
export interface MeasureFlags {
  model?: string[];
  method: StepChoice[];
  device: string;
  dtype?: Dtype;
  repeats: number;
  warmup: number;
  seed: number;
  timeLimit: number;
  memoryLimit?: number;
  output?: string;
  resume: boolean;
  json?: true;
}

export const DEFAULT_MODEL = "smollm2-135m-instruct";

export const defaultMethods: Readonly<Record<Report["kind"], readonly StepChoice[]>> = {
  /** What the system that this one succeeds measured by default; paths are shorter, so that it ends in minutes. */
  matrix: [
    ...["saliency", "input_x_gradient", "layer_gradient_x_activation"],
    { name: "integrated_gradients", steps: 20 },
    ...["lime", "attention"],
  ],
  /** One of each class of cost, but for paths, which grow as gradients do. */
  scale: ["saliency", "occlusion", "attention"],
};

export function benchSchemas(): Schemas {
  const length = z.array(z.int().positive());
  return {
    model: z.array(z.string().min(1)).min(1),
    method: z.array(stepChoice).transform(benchMethods),
    device,
    maxNewTokens,
    repeats: z.int().positive(),
    timeLimit: z.number().positive(),
    memoryLimit: memoryBudget,
    limit: z.int().positive(),
    promptTokens: length,
    outputTokens: length,
  };
}

/** @throws ERR_TOKENLENSE_INPUT for a method or an option that is not known, with the nearest. */
export function benchMethods(given: readonly StepChoice[]): BenchMethod[] {
  const chosen = given.map((choice) => {
    const { name, ...options }: { name: string; [option: string]: unknown } =
      typeof choice === "string" ? { name: choice } : { ...choice };
    const { method } = resolveChoice({ method: name, options });
    const spelt = Object.entries(options).map(([option, value]) => `${option}=${spelling(value)}`);
    return {
      label: [method.name, spelt.join(",")].filter(Boolean).join(":"),
      name: method.name as MethodName,
      options,
    };
  });
  return [...new Map(chosen.map((method) => [method.label, method])).values()];
}

const spelling = (value: unknown) => (typeof value === "string" ? value : JSON.stringify(value));
