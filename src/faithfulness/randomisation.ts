import { z } from "zod";
import { type AttributeOptions, type AttributionProgress, attribute } from "../attribute.js";
import { TokenlenseError } from "../errors.js";
import type { MethodName } from "../methods/index.js";
import { randomiseModel } from "../models/randomise.js";
import { parseOptions } from "../options.js";
import type { Attribution } from "../result.js";
import { type Agreement, agreement } from "../viz/agreement.js";
import { viewOf } from "../viz/view.js";

export interface RandomisationProgress extends AttributionProgress {
  /** Of the attributions, from 0: the model's own is the first. */
  attribution: number;
  attributions: number;
}

export interface RandomisationOptions<Name extends MethodName = MethodName>
  extends Omit<AttributeOptions<Name>, "onProgress"> {
  /**
   * How much of the model loses its weights: "all", or so many of its last layers, beside final norm and head. A list such as
   * [0, 10, 20, "all"] is Adebayo et al.'s cascade. Default ["all"].
   */
  randomise?: readonly (number | "all")[] | undefined;
  /** Of the weights' order. Default 0. */
  randomSeed?: number | undefined;
  onProgress?: ((progress: RandomisationProgress) => void) | undefined;
}

/** What is left of an attribution when the model has forgotten what it learned. */
export interface RandomisationStage {
  readonly randomised: number | "all";
  /**
   * With the model's own attribution. A rank correlation near 1 says that the method does not look at these weights; one near
   * 0 is what is hoped for. Undefined figures are of attributions that say nothing at all.
   */
  readonly agreement: Agreement;
}

export interface RandomisationCheck {
  /** Of the model as it is; the caller's to dispose of. */
  readonly result: Attribution;
  readonly stages: readonly RandomisationStage[];
}

const schema = z.looseObject({
  randomise: z
    .array(z.union([z.int().nonnegative(), z.literal("all")]))
    .min(1)
    .default(["all"]),
  randomSeed: z.int().nonnegative().default(0),
});

/**
 * Does the attribution depend on what the model learned? The same attribution on copies of the model whose weights are in
 * random order: the model parameter randomisation test of Adebayo et al. 2018, "Sanity Checks for Saliency Maps",
 * https://arxiv.org/abs/1810.03292, with the outputs of the model as it is.
 * @throws as `attribute`, and ERR_TOKENLENSE_CAPABILITY where some layers are asked for of a model without layers.
 */
export async function checkRandomisation<Name extends MethodName = MethodName>(
  given: RandomisationOptions<Name>,
): Promise<RandomisationCheck> {
  const { randomise, randomSeed } = parseOptions(schema, given);
  const { randomise: _, randomSeed: __, onProgress, ...options } = given;
  const attributions = randomise.length + 1;
  const tell = (attribution: number) =>
    onProgress && ((progress: AttributionProgress) => onProgress({ ...progress, attribution, attributions }));
  const result = await attribute({ ...options, onProgress: tell(0) });
  try {
    const stages: RandomisationStage[] = [];
    for (const [i, randomised] of randomise.entries()) {
      using model = await randomiseModel(options.model, {
        ...(randomised !== "all" && { layers: randomised }),
        seed: randomSeed,
        signal: options.signal,
      });
      stages.push({
        randomised,
        agreement: await agreementWith(result, { ...options, model, onProgress: tell(i + 1) }),
      });
    }
    return { result, stages };
  } catch (error) {
    result.dispose();
    throw TokenlenseError.from(error);
  }
}

/** How far an attribution agrees with the one of the same outputs that these options make, of another model say. */
export async function agreementWith<Name extends MethodName>(
  result: Attribution,
  options: AttributeOptions<Name>,
): Promise<Agreement> {
  using other = await attribute(withOutputs(options, result));
  return agreement(viewOf(result.toJSON()), viewOf(other.toJSON()));
}

/** The copies are asked about the outputs of the model itself. */
function withOutputs<Name extends MethodName>(
  options: AttributeOptions<Name>,
  { tokens, promptLength }: Attribution,
): AttributeOptions<Name> {
  if (options.target !== undefined || options.targetIds !== undefined) return options;
  const { prompt, messages, chat, system, ...rest } = options;
  const targetIds = Int32Array.from(tokens, ({ id }) => id);
  return { ...rest, promptIds: targetIds.slice(0, promptLength), targetIds };
}
