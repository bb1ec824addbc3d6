import { z } from "zod";
import { defineMethod, gradientNeeds } from "./method.js";

export const dummy = defineMethod({
  name: "dummy",
  summary: "No attribution: all scores are zero. For step scores alone, at the cost of one forward pass.",
  paper: { title: "Sarti et al. 2023, Inseq", url: "https://arxiv.org/abs/2302.13942" },
  cost: "forward",
  options: z.strictObject({}),
  step: "probability",
  needs: gradientNeeds,
  plan: () => ({ kind: "perturbation", perturbation: "none" }),
});
