import type { describeMethods, OptionSchema } from "../../../src/methods/describe.js";
import { requestJson } from "./request.js";

export type { OptionSchema };
export type MethodsAnswer = ReturnType<typeof describeMethods>;
export type MethodDescription = MethodsAnswer["methods"][number];
export type StepDescription = MethodsAnswer["steps"][number];

/** Methods and step functions, with their options as JSON Schema. */
export const listMethods = (signal?: AbortSignal): Promise<MethodsAnswer> => requestJson("/methods", { signal });
