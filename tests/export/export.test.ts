import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { attribute } from "../../src/attribute.js";
import { generate } from "../../src/generate.js";
import { native } from "../../src/install/binding.js";
import { terminalProgress } from "../../src/install/progress.js";
import { exportModel } from "../../src/models/export.js";
import { Exporter } from "../../src/models/exporter.js";
import { loadModel, type Model } from "../../src/models/model.js";
import { gradientPlan, relativeError } from "../native/random-model.js";
import { exportTest } from "./environment.js";

/** What tests/export/tiny.py writes. */
interface Reference {
  ids: number[];
  prompt: number;
  logits: number[][];
  /** [outputs][sequence][width] */
  gradients: number[][][];
  embeddings: number[][];
  generated: number[];
}

// Rotary positions in pairs and a biased head; soft caps, a sliding window and scaled embeddings; ALiBi and no positions.
const FEW = ["gptj", "gemma2", "mpt"];
const REFUSED: Record<string, RegExp> = {
  bert: /"bert" lets tokens see later ones/,
  mamba: /"mamba" was traced, but the trace does not run on 1 × 1 tokens/,
  t5: /"t5" is an encoder with a decoder/,
  vit: /"vit" is no causal language model/,
};
// The README lists all of them. They take a minute more: TOKENLENSE_EXPORT=all npx vitest run tests/export
const all = process.env.TOKENLENSE_EXPORT === "all";
const NAMES = all
  ? [...readFileSync(new URL("tiny.py", import.meta.url), "utf8").matchAll(/^ {4}"([\w-]+)": /gm)]
      .map(([, name = ""]) => name)
      .filter((name) => !(name in REFUSED) && !["recurrent_gemma", "rwkv"].includes(name))
  : FEW;
if (all) Object.assign(REFUSED, { recurrent_gemma: /does not run on/, rwkv: /does not run on/ });

const test = exportTest();
const source = (name: string) => join(test.folder, "models", name);
const archive = (name: string) => join(test.folder, "archives", `${name}.pt`);
let exporter: Exporter;

beforeAll(async () => {
  test.python("tiny.py", join(test.folder, "models"), ...NAMES, ...Object.keys(REFUSED));
  exporter = await Exporter.start({ progress: terminalProgress() });
}, 1_800_000);
afterAll(() => exporter.close());

describe.each(NAMES)("an exported %s", (name) => {
  const phases: string[] = [];
  let model: Model;
  let reference: Reference;
  beforeAll(async () => {
    const onProgress = ({ phase }: { phase: string }) => void (phases.at(-1) === phase || phases.push(phase));
    const { differences } = await exportModel(exporter, source(name), archive(name), { onProgress });
    expect(Math.max(differences.logits, differences.gradients)).toBeLessThan(1e-4);
    model = await loadModel(archive(name), { device: "cpu" });
    reference = JSON.parse(readFileSync(join(source(name), "reference.json"), "utf8")) as Reference;
  });
  afterAll(() => model.dispose());

  it("says what it is, and told what was being done", () => {
    const { contract } = model;
    expect(contract).toMatchObject({ family: name, contract: "minimal", methods: ["embed", "hidden", "logits"] });
    expect(contract).toMatchObject({ layers: 2, heads: 4, vocabulary: 320, tokens: { bos: 1, eos: [2] } });
    expect(contract.source).toEqual({ name, sha256: expect.stringMatching(/^[0-9a-f]{64}$/) });
    for (const phase of ["describe", "load", "digest", "reference", "trace", "write", "verify"])
      expect(phases).toContain(phase);
    expect(readdirSync(join(test.folder, "archives")).filter((file) => file.endsWith(".tmp"))).toEqual([]);
  });

  it("gives transformers' logits and gradients", async () => {
    const { ids, prompt, logits, gradients, embeddings } = reference;
    const outputs = ids.length - prompt;
    const width = model.contract.width;
    for (const engine of ["plain", "batched"] as const) {
      for (const multiplyByInput of [false, true]) {
        const plan = { ...gradientPlan(Int32Array.from(ids), prompt, { engine, multiplyByInput }), logits: true };
        const result = await native().attribute(model.native, plan).promise;
        expect(relativeError(result.logits?.data() as Float32Array, logits.flat())).toBeLessThan(1e-5);
        const expected = ids.flatMap((_, position) =>
          Array.from({ length: outputs }, (_, output) =>
            Array.from({ length: width }, (_, i) => {
              const gradient = gradients[output]?.[position]?.[i] as number;
              return multiplyByInput ? gradient * (embeddings[position]?.[i] as number) : gradient;
            }),
          ).flat(),
        );
        expect(relativeError(result.scores.data() as Float32Array, expected), engine).toBeLessThan(1e-4);
      }
    }
  });

  it("generates what transformers generates", async () => {
    const { ids, prompt, generated } = reference;
    const result = await generate({ model, promptIds: Int32Array.from(ids.slice(0, prompt)), maxNewTokens: 12 });
    expect(generated.length).toBeGreaterThan(0);
    expect(Array.from(result.ids)).toEqual(generated);
  });

  it("is attributed by what the minimal contract serves, and refuses what needs layers by name", async () => {
    const options = { model, prompt: "The quick brown fox", target: "The quick brown fox jumps" };
    for (const method of ["saliency", "integrated_gradients", "occlusion"] as const) {
      using result = await attribute({ ...options, method, options: method.startsWith("int") ? { steps: 4 } : {} });
      expect(result.scores.some((score) => score !== 0)).toBe(true);
    }
    await expect(attribute({ ...options, method: "attention" })).rejects.toMatchObject({
      code: "ERR_TOKENLENSE_CAPABILITY",
      message: expect.stringContaining('The method "attention" needs what'),
      hint: expect.stringContaining("minimal contract"),
    });
  });
});

describe("what is refused", () => {
  it.each(Object.entries(REFUSED))("%s", async (name, message) => {
    await expect(exportModel(exporter, source(name), archive(name))).rejects.toMatchObject({
      code: "ERR_TOKENLENSE_ARCHITECTURE",
      message: expect.stringMatching(message),
    });
    expect(existsSync(archive(name))).toBe(false);
  });
});
