import { expect, it } from "vitest";
import type { NativeModel } from "../../src/native.js";
import { FAMILY, randomIds, randomModels, relativeError } from "../native/random-model.js";
import { base, type Outcome, run, SMALL, straightPlan, type Text } from "./plans.js";

// Integrated gradients to a tolerance, against the same rules (native/kernels/path.cc, strata.cc) written plainly: one output, one
// gradient and one value at a time, and a model of its own for each point at which the function's value is wanted.

type Stratum = [low: number, high: number];
const THIRDS = 13;
const TICKS = 8 * 3 ** THIRDS;
const width = ([low, high]: Stratum) => (high - low) / TICKS;
const thirds = ([low, high]: Stratum) =>
  [0, 1, 2].map((i): Stratum => [low + ((high - low) * i) / 3, low + ((high - low) * (i + 1)) / 3]);
const clamp = (value: number, low: number, high: number) => Math.min(Math.max(value, low), high);
const sum = (values: ArrayLike<number>) => Array.from(values).reduce((a, b) => a + b, 0);

interface Problem {
  text: Text;
  baseline: Int32Array;
  seed: number;
  model: NativeModel;
  tolerance: number;
  most: number;
}

/** The step function at every output, at a point of the line. */
async function valuesAt({ text, baseline, seed }: Problem, tick: number): Promise<Float32Array> {
  const source = FAMILY.replace(
    "return torch.embedding(self.embedding, ids).float()",
    `e = torch.embedding(self.embedding, ids)
    b = torch.narrow(torch.embedding(self.embedding, torch.tensor([[${baseline.join(", ")}]])), 1, 0, ids.size(1))
    return b + (e - b) * ${tick / TICKS}`,
  );
  const [there] = (await randomModels(SMALL, seed, source)) as [NativeModel];
  const { stepScores } = await run(there, { ...base(text), kind: "perturbation", perturbation: "none" });
  there.dispose();
  return stepScores.probability as Float32Array;
}

/** Gradient times difference from the baseline at a point of the line: [sequence, outputs, width]. */
async function productsAt({ text, baseline, model }: Problem, tick: number) {
  return run(model, {
    ...base(text),
    kind: "path",
    path: "random",
    coefficients: Float64Array.of(tick / TICKS),
    noise: 0,
    seed: 0,
    layer: 0,
    baseline: { kind: "ids", ids: baseline },
    multiplyByInput: true,
    reduce: "none",
  });
}

/** Of one output, [sequence, width]. */
function columnOf({ scores, shape }: Outcome, output: number): number[] {
  const [sequence = 0, outputs = 0, width = 0] = shape;
  const at = (position: number) => (position * outputs + output) * width;
  return Array.from({ length: sequence }, (_, position) => [
    ...scores.subarray(at(position), at(position) + width),
  ]).flat();
}

async function plain(problem: Problem, output: number): Promise<{ scores: Float64Array; steps: number }> {
  const { text, tolerance, most } = problem;
  const values = new Map<number, number>();
  const change = async ([low, high]: Stratum) => {
    for (const tick of [low, high])
      if (!values.has(tick)) values.set(tick, (await valuesAt(problem, tick))[output] as number);
    return (values.get(high) as number) - (values.get(low) as number);
  };
  const allowed = tolerance * Math.abs(await change([0, TICKS]));

  let open = [0, 1, 2, 3].map((i): Stratum => [(TICKS * i) / 4, (TICKS * (i + 1)) / 4]);
  for (let cut = true; cut; ) {
    cut = false;
    const changes: number[] = [];
    for (const stratum of open) changes.push(Math.abs(await change(stratum)));
    let count = open.length;
    open = open.flatMap((stratum, i) => {
      if ((changes[i] as number) * width(stratum) * 4 <= 0.25 * tolerance * sum(changes) || count + 2 > most)
        return [stratum];
      cut = true;
      count += 2;
      return thirds(stratum);
    });
  }

  const scores = new Float64Array(text.ids.length * SMALL.width);
  let [steps, missed] = [0, 0];
  while (open.length > 0) {
    const doubtful: { stratum: Stratum; part: number[]; missed: number }[] = [];
    for (const stratum of open) {
      const product = columnOf(await productsAt(problem, (stratum[0] + stratum[1]) / 2), output);
      steps++;
      const slack = 0.5 * allowed * width(stratum);
      const [wanted, seen] = [await change(stratum), sum(product) * width(stratum)];
      const loose = Math.max(slack, 0.25 * Math.sqrt(sum(product.map((v) => v * v))) * width(stratum));
      const near = clamp(seen, wanted - loose, wanted + loose);
      const ratio = near === seen ? 1 : clamp(near / seen, 0, 2);
      const part = product.map((value) => value * ratio * width(stratum));
      const miss = ratio * seen - wanted;
      if (Math.abs(miss) > slack * (1 + 1e-9)) doubtful.push({ stratum, part, missed: miss });
      else {
        missed += miss;
        for (const [i, value] of part.entries()) scores[i] = (scores[i] as number) + value;
      }
    }
    const total = missed + sum(doubtful.map(({ missed }) => missed));
    open = [];
    if (Math.abs(total) > allowed && steps + 3 * doubtful.length <= most)
      open = doubtful.flatMap(({ stratum }) => thirds(stratum));
    else
      for (const { part } of doubtful)
        for (const [i, value] of part.entries()) scores[i] = (scores[i] as number) + value;
  }
  return { scores, steps };
}

it.each([
  { seed: 3, tolerance: 0.5, most: 50 },
  { seed: 4, tolerance: 0.1, most: 50 },
  { seed: 5, tolerance: 0.02, most: 9 },
])(
  "integrated gradients to $tolerance in at most $most steps are the plain rules'",
  async ({ seed, tolerance, most }) => {
    const text = { ids: randomIds(7, SMALL.vocabulary, seed), promptLength: 4 };
    const baseline = randomIds(7, SMALL.vocabulary, seed + 1);
    const [model] = (await randomModels(SMALL, seed, FAMILY)) as [NativeModel];
    const plan = { ...straightPlan(text, most, { kind: "ids", ids: baseline }), tolerance };
    const outcome = await run(model, plan);
    for (let output = 0; output < (outcome.shape[1] as number); output++) {
      const expected = await plain({ text, baseline, seed, model, tolerance, most }, output);
      expect(outcome.steps?.[output], `steps of ${output}`).toBe(expected.steps);
      expect(relativeError(columnOf(outcome, output), expected.scores)).toBeLessThan(1e-4);
    }
    model.dispose();
  },
);
