import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { familyOf, moduleSpec } from "../../src/models/families/index.js";
import { readFolder } from "../../src/models/folder.js";
import { textSettings } from "../../src/models/text-part.js";
import { temporaryFolder } from "../tiny-model.js";
import { FAMILY_GOLDENS, type FamilyGolden, writeFamilyFolder } from "./family-files.js";

// families-peer.test.ts holds the text model of a folder with pictures to transformers.

const golden = FAMILY_GOLDENS.find(({ name }) => name === "gemma3 that sees pictures") as FamilyGolden;
const root = temporaryFolder();

async function weightsOf(folder: string) {
  const checkpoint = await readFolder(folder);
  const { weights } = moduleSpec(checkpoint, familyOf(checkpoint).blueprint(checkpoint), "float32");
  return weights.map(({ name, shape }) => [name, shape]);
}

test("tensors have either of two prefixes", async () => {
  const names = golden.tensors.map(({ name }) => name);
  expect(names.some((name) => name.startsWith("vision_tower."))).toBe(true);
  const renamed = (name: string) =>
    name.replace(/^language_model\.model\./, "model.language_model.").replace(/^(vision|multi_modal)/, "model.$1");
  const tensors = golden.tensors.map((tensor) => ({ ...tensor, name: renamed(tensor.name) }));
  const folders = [golden, { ...golden, tensors }].map((one, i) => writeFamilyFolder(join(root, `${i}`), one));
  expect(tensors.map(({ name }) => name)).not.toEqual(names);
  const [first, second] = await Promise.all(folders.map(weightsOf));
  expect(second).toEqual(first);
});

test("settings that google/gemma-3-4b-it leaves out are transformers' defaults", async () => {
  const folder = writeFamilyFolder(join(root, "short"), golden);
  const scaling = { factor: 8, rope_type: "linear" };
  const text = { hidden_size: 2560, intermediate_size: 10_240, num_hidden_layers: 34, sliding_window: 1024 };
  const config = {
    architectures: ["Gemma3ForConditionalGeneration"],
    text_config: { ...text, model_type: "gemma3_text", rope_scaling: scaling },
  };
  writeFileSync(join(folder, "config.json"), JSON.stringify(config));
  const checkpoint = await readFolder(folder);
  const { sizes, rotary, windows, attentionScale } = familyOf(checkpoint).blueprint(checkpoint);
  // The model card's: 34 layers, 8 heads of 256, 4 of keys and values, 128k tokens.
  expect(sizes).toMatchObject({
    layers: 34,
    heads: 8,
    kvHeads: 4,
    headDim: 256,
    vocabulary: 262_208,
    context: 131_072,
  });
  expect(rotary?.map(({ theta, divisors }) => [theta, divisors?.[0]])).toEqual([
    [1_000_000, 8],
    [10_000, undefined],
  ]);
  expect(windows?.slice(0, 7)).toEqual([1024, 1024, 1024, 1024, 1024, 0, 1024]);
  expect(attentionScale).toBe(1 / 16);
});

test("other architectures are left as they are", () => {
  const config = JSON.parse(readFileSync(join(root, "short", "config.json"), "utf8"));
  const other = { ...config, architectures: ["OtherForConditionalGeneration"] };
  expect(textSettings(other)).toEqual({ settings: other, part: false });
});
