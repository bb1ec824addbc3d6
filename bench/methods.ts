import { uniform } from "../src/methods/draw.js";
import type { MethodName } from "../src/methods/index.js";

/** How it is told that both do the same, without which timings mean nothing. */
export type Check =
  /** No score is further apart than this share of the largest; or where `exact`, ours are no further from float64 than Inseq's. */
  | { by: "scores"; tolerance: number; exact?: true }
  /** Inseq does something else under this name: ours must be complete, each output's |delta| at most this. */
  | { by: "completeness"; tolerance: number }
  /**
   * Ours adds up as well as Inseq's: mean and largest |delta| over the outputs are no larger. With --reference its scores
   * are no further from a path of many steps either.
   */
  | { by: "convergence" };

export interface BenchMethod {
  method: MethodName;
  options?: Record<string, unknown>;
  step: "probability" | "crossentropy";
  /** Inseq's name for it, and arguments of its own. */
  peer: { method: string; options?: Record<string, unknown>; convergence?: true };
  /** What both draw at random, for a request to the peer. Ours draws it from the default seed. */
  draws?(rows: number): object;
  check: Check;
  /** How many times Inseq's time is ours to be. */
  asked?: number;
  /** Timed runs of Inseq's where it takes long; ours gets three then. */
  peerRepeats?: 1;
  /** Compared on the large size too. */
  large?: true;
  note?: string;
}

/** Share of the largest score of a prompt, for one backward pass. */
const ONE_PASS: Check = { by: "scores", tolerance: 1e-5, exact: true };
const STEPS = 50;
const SAMPLES = { gradient_shap: 5, lime: 50 };
const INTEGRATED = {
  method: "integrated_gradients",
  step: "probability",
  peer: { method: "integrated_gradients", options: { n_steps: STEPS }, convergence: true },
  peerRepeats: 1,
} as const;

export const METHODS: Readonly<Record<string, BenchMethod>> = {
  saliency: { method: "saliency", step: "probability", peer: { method: "saliency" }, check: ONE_PASS, large: true },
  input_x_gradient: {
    method: "input_x_gradient",
    step: "probability",
    peer: { method: "input_x_gradient" },
    check: ONE_PASS,
    large: true,
  },
  // TokenLense's own method is Inseq's saliency of the cross-entropy.
  tokenlense: {
    method: "tokenlense",
    step: "crossentropy",
    peer: { method: "saliency" },
    check: ONE_PASS,
    large: true,
  },
  integrated_gradients: {
    ...INTEGRATED,
    options: { steps: STEPS },
    check: { by: "scores", tolerance: 1e-4, exact: true },
    asked: 6,
    note: `${STEPS} steps each`,
  },
  integrated_gradients_converged: {
    ...INTEGRATED,
    // 0.8 would do for the sums alone.
    options: { tolerance: 0.6, steps: STEPS },
    check: { by: "convergence" },
    asked: 20,
    note: `as well converged as ${STEPS} steps of Inseq's`,
  },
  gradient_shap: {
    method: "gradient_shap",
    options: { samples: SAMPLES.gradient_shap },
    step: "probability",
    peer: { method: "gradient_shap", options: { n_samples: SAMPLES.gradient_shap } },
    draws: () => ({ coefficients: Array.from({ length: SAMPLES.gradient_shap }, uniform(0)) }),
    check: { by: "scores", tolerance: 1e-4, exact: true },
    asked: 6,
    peerRepeats: 1,
    note: `${SAMPLES.gradient_shap} samples, the same places on the line`,
  },
  deeplift: {
    method: "deeplift",
    step: "probability",
    peer: { method: "deeplift" },
    check: { by: "completeness", tolerance: 1e-4 },
    asked: 6,
    note: "Inseq's is gradient × difference here",
  },
  layer_gradient_x_activation: {
    method: "layer_gradient_x_activation",
    options: { layer: 15 },
    step: "probability",
    peer: { method: "layer_gradient_x_activation", options: { target_layer: "model.layers.14" } },
    check: { by: "scores", tolerance: 1e-5 },
    asked: 8,
    note: "15th layer's output of 30",
  },
  attention: {
    method: "attention",
    step: "probability",
    peer: { method: "attention" },
    check: { by: "scores", tolerance: 1e-5 },
    asked: 1.5,
    note: "mean of layers and heads",
  },
  occlusion: {
    method: "occlusion",
    step: "probability",
    peer: { method: "occlusion" },
    check: { by: "scores", tolerance: 1e-4 },
    asked: 50,
    peerRepeats: 1,
  },
  lime: {
    method: "lime",
    options: { samples: SAMPLES.lime },
    step: "probability",
    peer: { method: "lime", options: { n_samples: SAMPLES.lime } },
    draws: (rows) => {
      const next = uniform(0);
      const row = () => Array.from({ length: rows }, () => (next() < 0.3 ? 0 : 1));
      return { masks: Array.from({ length: SAMPLES.lime }, row) };
    },
    check: { by: "scores", tolerance: 1e-3 },
    asked: 20,
    peerRepeats: 1,
    note: `${SAMPLES.lime} samples, the same masks`,
  },
};
