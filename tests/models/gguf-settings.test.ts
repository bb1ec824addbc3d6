import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { familyOf, moduleSpec } from "../../src/models/families/index.js";
import { readFolder } from "../../src/models/folder.js";
import { readGguf } from "../../src/models/gguf.js";
import { temporaryFolder } from "../tiny-model.js";
import { FAMILY_GOLDENS, type FamilyGolden, familyGguf, writeFamilyFolder } from "./family-files.js";
import { type MetadataValue, writeGguf } from "./gguf-writer.js";

// Keys that llama.cpp's converter writes since 2025 mean what config.json's settings mean, which settings-peer.test.ts holds to transformers.

const folder = temporaryFolder();
const named = (name: string) => FAMILY_GOLDENS.find((golden) => golden.name === name) as FamilyGolden;

async function fromGguf(golden: FamilyGolden, metadata: Record<string, MetadataValue>) {
  const path = join(folder, "changed.gguf");
  const made = familyGguf(golden);
  writeGguf(path, { ...made, metadata: { ...made.metadata, ...metadata } });
  return spec(await readGguf(path));
}

async function fromFolder(golden: FamilyGolden, config: Record<string, unknown>) {
  const path = writeFamilyFolder(join(folder, "changed"), golden);
  writeFileSync(join(path, "config.json"), JSON.stringify({ ...golden.config, ...config }));
  return spec(await readFolder(path));
}

function spec(checkpoint: Awaited<ReturnType<typeof readFolder>>) {
  const { weights, ...rest } = moduleSpec(checkpoint, familyOf(checkpoint).blueprint(checkpoint), "float32");
  expect(weights.length).toBeGreaterThan(0);
  return rest;
}

const LINEAR = { rope_type: "linear", rope_theta: 100_000, factor: 8 };
const types = (sliding: boolean[]) => sliding.map((one) => (one ? "sliding_attention" : "full_attention"));
const PATTERN = [true, false, false, true, true, false, true];
const YARN = { rope_type: "yarn", rope_theta: 10_000, factor: 4, original_max_position_embeddings: 16 };

test.each<[string, Record<string, MetadataValue>, Record<string, unknown>]>([
  ["gemma3", {}, {}],
  [
    "gemma3",
    { "gemma3.rope.freq_base_swa": { f32: 777 } },
    { rope_parameters: { full_attention: LINEAR, sliding_attention: { rope_type: "default", rope_theta: 777 } } },
  ],
  [
    "gemma3",
    { "gemma3.attention.sliding_window_pattern": { u32: 3 } },
    { layer_types: types([true, true, false, true, true, false, true]) },
  ],
  ["gemma3", { "gemma3.attention.sliding_window_pattern": { bools: PATTERN } }, { layer_types: types(PATTERN) }],
  ["llama with YaRN", { "llama.rope.scaling.yarn_ext_factor": { f32: 1 } }, {}],
  [
    "llama with YaRN",
    {
      "llama.rope.scaling.yarn_attn_factor": { f32: 0.75 },
      "llama.rope.scaling.yarn_beta_fast": { f32: 20 },
      "llama.rope.scaling.yarn_beta_slow": { f32: 2 },
    },
    { rope_parameters: { ...YARN, attention_factor: 0.75, beta_fast: 20, beta_slow: 2 } },
  ],
])("%s with %o", async (name, metadata, config) => {
  const found = await fromGguf(named(name), metadata);
  const expected = await fromFolder(named(name), config);
  for (const one of [found, expected]) one.floats.norm_eps = 0; // float32 in GGUF
  expect(found).toEqual(expected);
  if (Object.keys(config).length > 0) expect(found).not.toEqual(await fromGguf(named(name), {}));
});

test("refuses another extrapolation", async () => {
  const strange = fromGguf(named("llama with YaRN"), { "llama.rope.scaling.yarn_ext_factor": { f32: 0.5 } });
  await expect(strange).rejects.toMatchObject({ code: "ERR_TOKENLENSE_ARCHITECTURE" });
});
