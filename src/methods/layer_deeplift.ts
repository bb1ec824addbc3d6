import { z } from "zod";
import { deeplift } from "./deeplift.js";
import { deepliftNeeds, defineMethod } from "./method.js";
import { embeddingDimension, layer, requireLayer } from "./options.js";

export const layerDeeplift = defineMethod({
  name: "layer_deeplift",
  summary: "DeepLIFT's differences at a layer's output.",
  paper: deeplift.paper,
  cost: "gradient",
  options: z.strictObject({ layer, ...deeplift.options.shape }),
  step: "probability",
  needs: deepliftNeeds,
  dimensions: embeddingDimension,
  plan: ({ layer, ...options }, context) => ({
    ...deeplift.plan(options, context),
    layer: requireLayer(context, layer),
  }),
});
