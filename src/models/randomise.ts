import { z } from "zod";
import { native } from "../install/binding.js";
import { parseOptions, promptOptions } from "../options.js";
import { run } from "../task.js";
import { Model } from "./model.js";

export interface RandomiseOptions {
  /** How many of the last layers, beside final norm and head. Default: all there is, with the embeddings. */
  layers?: number | undefined;
  /** Default 0. */
  seed?: number | undefined;
  signal?: AbortSignal | undefined;
}

const schema = z.strictObject({
  layers: z.int().nonnegative().optional(),
  seed: z.int().nonnegative().default(0),
  signal: promptOptions.signal,
});

/**
 * A copy of a model that has forgotten what it learned: each weight keeps its values, in random order within its layer. It
 * takes the model's memory once more; dispose of it.
 * @throws ERR_TOKENLENSE_INPUT for a wrong option, _CAPABILITY for `layers` of a model without layers, _CANCELLED.
 */
export async function randomiseModel(model: Model, options: RandomiseOptions = {}): Promise<Model> {
  const { layers, seed, signal } = parseOptions(schema, options);
  const plan = { seed, layers: layers ?? model.contract.layers, rest: layers === undefined };
  const handle = await run(() => native().randomise(model.native, plan), signal);
  return new Model(`${model.name}, randomised`, model.path, handle);
}
