import { unknownName } from "../nearest.js";
import { inputXGradient } from "./input_x_gradient.js";
import type { Method } from "./method.js";
import { saliency } from "./saliency.js";
import { tokenlense } from "./tokenlense.js";

export type { Method, MethodPlan } from "./method.js";

const registry = { saliency, input_x_gradient: inputXGradient, tokenlense };

export type MethodName = keyof typeof registry;

/** Every attribution method, by name. */
export const methods: Readonly<Record<MethodName, Method>> = registry;

/** @throws ERR_TOKENLENSE_INPUT with the nearest names. */
export function findMethod(name: string): Method {
  if (Object.hasOwn(registry, name)) return registry[name as MethodName];
  throw unknownName("method", name, Object.keys(registry));
}
