import { expect, it } from "vitest";
import { decodeFloats, distance } from "../../bench/numbers.js";
import type { Model } from "../../src/index.js";
import { run } from "../methods/plans.js";
import { exact } from "./exact.js";
import { type Entry, goldens, loaded, type Stored, TOLERANCE } from "./goldens.js";

const reagents = goldens.entries.filter(({ method }) => method === "reagent");
it.each(reagents.map((entry): [string, Entry] => [JSON.stringify(entry.options), entry]))(
  "reagent %s is Inseq's, with the same draws",
  async (_, entry) => {
    const { ids: list, promptLength } = goldens.models[entry.model] as (typeof goldens.models)[string];
    const { keep_top_n, stopping_condition_top_k, max_probe_steps, num_probes, replacing_ratio } =
      entry.options as Record<string, number>;
    const expected = entry.float32?.scores as Stored;
    const outputs = list.length - promptLength;
    const stored = decodeFloats(expected.data);
    for (const [output, { initial, steps }] of (entry.outputs ?? []).entries()) {
      const length = promptLength + output;
      const column = Array.from({ length }, (_, position) => stored[position * outputs + output] as number);
      // Where no probe stops Inseq divides by zero.
      if (column.some(Number.isNaN)) continue;
      const full = (values: number[][][]) => Int32Array.from(values.flat(2));
      const padded = <T>(list: T[], fill: T) =>
        Array.from({ length: max_probe_steps as number }, (_, i) => list[i] ?? fill);
      const none = Array.from({ length: num_probes as number }, () => new Array<number>(length).fill(0));
      const uniform = steps.map(({ uniform }) => decodeFloats(uniform.data));
      const ids = Int32Array.from(list.slice(0, length + 1));
      const { scores } = await run((loaded.get(entry.model) as Model).native, {
        ids,
        promptLength: length,
        step: exact("probability"),
        stepScores: [],
        memoryBudget: 2 ** 30,
        engine: "auto",
        kind: "perturbation",
        perturbation: "reagent",
        seed: 0,
        probes: num_probes as number,
        mostSteps: max_probe_steps as number,
        stopTopK: stopping_condition_top_k as number,
        keepTopN: keep_top_n as number,
        replaceRatio: replacing_ratio as number,
        candidates: new Int32Array(),
        draws: {
          importance: Float64Array.from(decodeFloats(initial.data)),
          replaced: Uint8Array.from(
            padded(uniform, new Float32Array(length * (num_probes as number)).fill(1)).flatMap((values) =>
              Array.from(values, (value) => (value < (replacing_ratio as number) ? 1 : 0)),
            ),
          ),
          tokens: full(
            padded(
              steps.map(({ probe }) => probe),
              none,
            ),
          ),
          tests: full(
            padded(
              steps.map(({ stop }) => stop),
              none,
            ),
          ),
        },
      });
      expect(distance(scores.subarray(0, length), Float32Array.from(column)), `output ${output}`).toBeLessThan(
        TOLERANCE,
      );
    }
  },
);
