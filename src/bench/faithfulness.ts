import { faithfulness } from "../faithfulness/faithfulness.js";
import type { Model } from "../models/model.js";
import type { Attribution } from "../result.js";
import type { Faithfulness } from "./schema.js";

/**
 * How faithful a result is, of the probability whatever was attributed, so that methods can be compared: means over four
 * of its outputs. All outputs would take longer than most methods do.
 */
export async function assessFaithfulness(
  result: Attribution,
  { model, signal }: { model: Model; signal: AbortSignal },
): Promise<Faithfulness> {
  const options = { model, step: "probability", mostOutputs: 4, curveSteps: 1, signal };
  const { mean, points } = await faithfulness(result, options);
  const of = (side: "attribution" | "random") => ({
    comprehensiveness: mean.meanComprehensiveness[side],
    sufficiency: mean.meanSufficiency[side],
    deletion: mean.deletionArea[side],
    insertion: mean.insertionArea[side],
  });
  const curve = (name: "deletion" | "insertion", side: "attribution" | "random") =>
    mean[name].map((estimate) => estimate[side]);
  const curves = {
    points: [...points],
    deletion: curve("deletion", "attribution"),
    randomDeletion: curve("deletion", "random"),
    insertion: curve("insertion", "attribution"),
    randomInsertion: curve("insertion", "random"),
  };
  return { ...of("attribution"), random: of("random"), curves };
}
