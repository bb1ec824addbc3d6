import { KNOWN_MODELS, obtain } from "../../src/models/sources.js";

export const REAL_MODEL = "smollm2-135m-instruct";

/** Path of the default model's GGUF file: in the user's cache, downloaded at the first call. */
export function realGguf(): Promise<string> {
  const known = KNOWN_MODELS[REAL_MODEL];
  if (!known) throw new Error("the default model is not known");
  return obtain(REAL_MODEL, known);
}
