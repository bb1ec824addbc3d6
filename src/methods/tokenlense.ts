import { z } from "zod";
import { defineMethod, gradientNeeds } from "./method.js";

export const tokenlense = defineMethod({
  name: "tokenlense",
  summary: "TokenLense's own: L2 norm of the gradient of −ln p(token) with respect to each prefix embedding.",
  paper: { title: "TokenLense extractor, TokenAnalyzer", url: "https://github.com/KaiserRuben/TokenLense" },
  cost: "gradient",
  options: z.strictObject({
    aggregate: z.enum(["vnorm"]).default("vnorm"),
  }),
  step: "crossentropy",
  needs: gradientNeeds,
  plan: () => ({ kind: "gradient", rules: "gradient", layer: 0, multiplyByInput: false, reduce: "l2" }),
});
