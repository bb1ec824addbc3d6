import { z } from "zod";
import { defineMethod, layeredNeeds } from "./method.js";
import { aggregate, embeddingDimension, layer, reductions, requireLayer } from "./options.js";

/**
 * In the form gradient × input: norms pass relevance on as if their scale were constant, activations by the identity
 * rule, each factor of a product gets half, softmax goes by its derivative. Of what comes to a softmax, what its
 * derivative does not pass on is lost (the paper's bias term); the convergence delta says how much that was.
 */
export const attnlrp = defineMethod({
  name: "attnlrp",
  summary: "Layer-wise relevance propagation with rules for attention: signed shares of the target's logit.",
  paper: {
    title: "Achtibat et al. 2024, AttnLRP: Attention-Aware Layer-Wise Relevance Propagation for Transformers",
    url: "https://arxiv.org/abs/2402.05602",
  },
  cost: "gradient",
  options: z.strictObject({ layer, aggregate: aggregate.unwrap().default("sum") }),
  step: "logit",
  needs: layeredNeeds,
  dimensions: embeddingDimension,
  plan: ({ layer, aggregate }, context) => ({
    kind: "gradient",
    rules: "attnlrp",
    layer: requireLayer(context, layer),
    multiplyByInput: true,
    reduce: reductions[aggregate],
  }),
});
