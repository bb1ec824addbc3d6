import type { MethodName } from "../../src/methods/index.js";

/** A text for the small models of tests/goldens/families.json, and options by which every method takes moments with them. */
export const ids = Int32Array.from([3, 1, 4, 1, 5, 9]);
export const text = { promptIds: ids.slice(0, 4), targetIds: ids };
/** Over a baseline of zeros the norms of these models are too steep for float32. */
const mean = { baseline: "mean" };
export const options: Partial<Record<MethodName, object>> = {
  ...{ integrated_gradients: { steps: 2, ...mean }, sequential_integrated_gradients: { steps: 1, ...mean } },
  ...{ discretized_integrated_gradients: { steps: 2, ...mean }, layer_integrated_gradients: { steps: 2, ...mean } },
  ...{ gradient_shap: { samples: 2, ...mean }, lime: { samples: 8 }, reagent: { maxProbeSteps: 2, probes: 1 } },
  ...{ deeplift: mean, layer_deeplift: mean },
};
