import type { describeMethods, OptionSchema as Schema } from "../../../src/methods/describe.js";
import { requestJson } from "./request.js";

export type OptionSchema = Exclude<Schema, boolean>;
export type Options = Readonly<Record<string, OptionSchema>>;
type Answer = ReturnType<typeof describeMethods>;
export type MethodDescription = Omit<Answer["methods"][number], "options"> & { options: Options };
export type StepDescription = Omit<Answer["steps"][number], "options"> & { options: Options };
export interface MethodsAnswer extends Omit<Answer, "methods" | "steps"> {
  methods: MethodDescription[];
  steps: StepDescription[];
}

/** Methods and step functions, with their options as JSON Schema. */
export const listMethods = (signal?: AbortSignal): Promise<MethodsAnswer> => requestJson("/methods", { signal });
