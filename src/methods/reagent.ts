import { z } from "zod";
import { defineMethod, gradientNeeds } from "./method.js";
import { seed } from "./options.js";

/** Replacements are drawn from the whole vocabulary but for special tokens; Inseq draws English words of the same part of speech. */
export const reagent = defineMethod({
  name: "reagent",
  summary:
    "Random replacements, scored by the fall of the target's probability until the best tokens alone predict it.",
  paper: {
    title: "Zhao & Shan 2024, ReAGent: A Model-agnostic Feature Attribution Method for Generative Language Models",
    url: "https://arxiv.org/abs/2402.00794",
  },
  cost: "perturbation",
  options: z.strictObject({
    probes: z.int().positive().default(16).describe("independent runs whose scores are averaged"),
    maxProbeSteps: z.int().positive().default(3000),
    replaceRatio: z.number().gt(0).lt(1).default(0.3).describe("share of tokens replaced in a step"),
    keepTopN: z.int().positive().default(5).describe("tokens that must suffice to predict the target"),
    stopTopK: z.int().positive().default(3).describe("predictions among which the target must then be"),
    seed,
  }),
  step: "probability",
  steps: ["probability"],
  needs: gradientNeeds,
  plan: ({ probes, maxProbeSteps, replaceRatio, keepTopN, stopTopK, seed }, { model }) => {
    const special = new Set(model.tokenizer.specialIds);
    return {
      kind: "perturbation",
      perturbation: "reagent",
      probes,
      mostSteps: maxProbeSteps,
      replaceRatio,
      keepTopN,
      stopTopK,
      seed,
      candidates: Int32Array.from({ length: model.contract.vocabulary }, (_, id) => id).filter(
        (id) => !special.has(id),
      ),
    };
  },
});
