import { expect, it } from "vitest";
import { uniform } from "../../src/methods/draw.js";
import type { NativeModel } from "../../src/native.js";
import { FAMILY, randomIds, randomModels } from "../native/random-model.js";
import { base, LOGIT, run, SMALL } from "./plans.js";

// Token 0 is embedded as zeros: a text with it is a masked text, for any program.
const MASKABLE = FAMILY.replace(
  "return torch.embedding(self.embedding, ids).float()",
  "e = torch.embedding(self.embedding, ids)\n    return e * (ids != 0).unsqueeze(-1).to(e.dtype)",
);

/** Weighted ridge regression with an intercept: coefficients by Gaussian elimination of the normal equations. */
function ridge(features: number[][], values: number[], weights: number[], penalty: number): number[] {
  const total = weights.reduce((a, b) => a + b, 0);
  const count = (features[0] as number[]).length;
  const means = Array.from(
    { length: count },
    (_, f) => features.reduce((sum, x, s) => sum + (weights[s] as number) * (x[f] as number), 0) / total,
  );
  const mean = values.reduce((sum, y, s) => sum + (weights[s] as number) * y, 0) / total;
  const x = features.map((row) => row.map((value, f) => value - (means[f] as number)));
  const rows = Array.from({ length: count }, (_, i) => {
    const row = Array.from({ length: count + 1 }, (_, j) =>
      x.reduce(
        (sum, sample, s) =>
          sum +
          (weights[s] as number) *
            (sample[i] as number) *
            (j < count ? (sample[j] as number) : (values[s] as number) - mean),
        0,
      ),
    );
    row[i] = (row[i] as number) + penalty;
    return row;
  });
  for (let i = 0; i < count; i++) {
    const pivot = rows[i] as number[];
    for (let k = i + 1; k < count; k++) {
      const row = rows[k] as number[];
      const factor = (row[i] as number) / (pivot[i] as number);
      if (factor !== 0) for (let j = i; j <= count; j++) row[j] = (row[j] as number) - factor * (pivot[j] as number);
    }
  }
  const solution = new Array<number>(count).fill(0);
  for (let i = count - 1; i >= 0; i--) {
    const row = rows[i] as number[];
    let sum = row[count] as number;
    for (let j = i + 1; j < count; j++) sum -= (row[j] as number) * (solution[j] as number);
    solution[i] = sum / (row[i] as number);
  }
  return solution;
}

it("LIME is Inseq's regression on every dimension of the masked embeddings, solved in full", async () => {
  const sizes = { ...SMALL, width: 8, layers: 1 };
  const [model] = (await randomModels(sizes, 31, MASKABLE)) as [NativeModel];
  const text = { ids: randomIds(9, sizes.vocabulary - 1, 32).map((id) => id + 1), promptLength: 6 };
  const { ids, promptLength } = text;
  const [length, outputs, width] = [ids.length - 1, ids.length - promptLength, sizes.width];
  const samples = 24;
  const next = uniform(33);
  const masks = Uint8Array.from({ length: samples * length }, () => (next() < 0.3 ? 0 : 1));
  const plan = {
    ...base(text),
    kind: "perturbation",
    perturbation: "lime",
    baseline: { kind: "zero" },
    masks,
    ridge: 1,
    sum: false,
  } as const;
  const norms = await run(model, plan);
  const sums = await run(model, { ...plan, sum: true });

  // The embeddings, as input × gradient over gradient.
  const gradient = { ...base(text, LOGIT), kind: "gradient", rules: "gradient", layer: 0, reduce: "none" } as const;
  const [product, slope] = [
    (await run(model, { ...gradient, multiplyByInput: true })).scores,
    (await run(model, { ...gradient, multiplyByInput: false })).scores,
  ];
  const embedding = (position: number, d: number) => {
    const cell = (position * outputs + outputs - 1) * width + d;
    return (product[cell] as number) / (slope[cell] as number);
  };
  const texts = Array.from({ length: samples }, (_, s) => s);
  for (let output = 0; output < outputs; output++) {
    const own = promptLength + output;
    const values = await Promise.all(
      texts.map(async (s) => {
        const replaced = ids.slice(0, own + 1).map((id, i) => (i < own && masks[s * length + i] === 0 ? 0 : id));
        const { stepScores } = await run(model, {
          ...base({ ids: replaced, promptLength: own }),
          kind: "perturbation",
          perturbation: "none",
        });
        return stepScores.probability?.[0] as number;
      }),
    );
    const keep = (s: number, position: number) => masks[s * length + position] as number;
    const features = texts.map((s) =>
      Array.from(
        { length: own * width },
        (_, f) => keep(s, Math.floor(f / width)) * embedding(Math.floor(f / width), f % width),
      ),
    );
    const weights = texts.map(
      (s) => width * Array.from({ length: own }, (_, i) => keep(s, i)).reduce((a, b) => a + b, 0),
    );
    const coefficients = ridge(features, values, weights, 1);
    const largest = Math.max(...coefficients.map(Math.abs)) * Math.sqrt(width);
    for (let position = 0; position < own; position++) {
      const those = coefficients.slice(position * width, (position + 1) * width);
      const cell = position * outputs + output;
      expect(Math.abs((norms.scores[cell] as number) - Math.hypot(...those)) / largest).toBeLessThan(1e-4);
      expect(Math.abs((sums.scores[cell] as number) - those.reduce((a, b) => a + b, 0)) / largest).toBeLessThan(1e-4);
    }
  }
  model.dispose();
});
