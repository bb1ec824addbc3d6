import type { z } from "zod";
import { unknownName } from "../nearest.js";
import { attention } from "./attention.js";
import { attentionRollout } from "./attention_rollout.js";
import { attnlrp } from "./attnlrp.js";
import { deeplift } from "./deeplift.js";
import { discretizedIntegratedGradients } from "./discretized_integrated_gradients.js";
import { dummy } from "./dummy.js";
import { gradientShap } from "./gradient_shap.js";
import { gradientXAttention } from "./gradient_x_attention.js";
import { inputXGradient } from "./input_x_gradient.js";
import { integratedGradients } from "./integrated_gradients.js";
import { layerDeeplift } from "./layer_deeplift.js";
import { layerGradientXActivation } from "./layer_gradient_x_activation.js";
import { layerIntegratedGradients } from "./layer_integrated_gradients.js";
import { lime } from "./lime.js";
import type { Method } from "./method.js";
import { occlusion } from "./occlusion.js";
import { reagent } from "./reagent.js";
import { saliency } from "./saliency.js";
import { sequentialIntegratedGradients } from "./sequential_integrated_gradients.js";
import { tokenlense } from "./tokenlense.js";
import { valueZeroing } from "./value_zeroing.js";

export type { Method, MethodContext, MethodPlan } from "./method.js";

const registry = {
  saliency,
  input_x_gradient: inputXGradient,
  tokenlense,
  integrated_gradients: integratedGradients,
  sequential_integrated_gradients: sequentialIntegratedGradients,
  discretized_integrated_gradients: discretizedIntegratedGradients,
  gradient_shap: gradientShap,
  deeplift,
  attnlrp,
  layer_gradient_x_activation: layerGradientXActivation,
  layer_integrated_gradients: layerIntegratedGradients,
  layer_deeplift: layerDeeplift,
  attention,
  attention_rollout: attentionRollout,
  gradient_x_attention: gradientXAttention,
  value_zeroing: valueZeroing,
  occlusion,
  lime,
  reagent,
  dummy,
};

export type MethodName = keyof typeof registry;
/** A method's own options, by its name. */
export type MethodOptions<Name extends MethodName> = z.input<(typeof registry)[Name]["options"]>;

/** Every attribution method, by name. */
export const methods: Readonly<Record<MethodName, Method>> = registry;

/** @throws ERR_TOKENLENSE_INPUT with the nearest names. */
export function findMethod(name: string): Method {
  if (Object.hasOwn(registry, name)) return registry[name as MethodName];
  throw unknownName("method", name, Object.keys(registry));
}
