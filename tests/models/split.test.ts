import { describe, expect, test } from "vitest";
import { attribute } from "../../src/attribute.js";
import { generate } from "../../src/generate.js";
import { native } from "../../src/install/binding.js";
import { type MethodName, methods } from "../../src/methods/index.js";
import { lacking } from "../../src/methods/method.js";
import { loadModel } from "../../src/models/model.js";
import { temporaryFolder, writeTinyModel } from "../tiny-model.js";
import { FAMILY_GOLDENS, writeFamilyFolder } from "./family-files.js";
import { ids, options, text } from "./small-runs.js";

// Each part has its own weights and its own numbers of layers, on whatever device it lies: two parts on one CPU show that, where there
// is no second device. What must be moved between devices only two devices show.

const folder = temporaryFolder();
// A layer of the second part too.
const deep: Partial<Record<MethodName, object>> = {
  ...options,
  layer_integrated_gradients: { ...options.layer_integrated_gradients, layer: 1 },
  layer_deeplift: { ...options.layer_deeplift, layer: 1 },
  layer_gradient_x_activation: { layer: 1 },
};

describe("a model split over devices by layer", () => {
  test.each(FAMILY_GOLDENS)("of $name is the whole one, to the bit", async (golden) => {
    const source = writeFamilyFolder(folder, golden);
    using whole = await loadModel(source, { device: "cpu" });
    using parts = await loadModel(source, { device: "cpu,cpu" });
    expect([whole.native.device, parts.native.device]).toEqual(["cpu", "cpu,cpu"]);
    expect(parts.native.bytes).toBe(whole.native.bytes);
    const continued = async (model: typeof whole) =>
      (await generate({ model, promptIds: ids, maxNewTokens: 5, stopTokens: [] })).ids;
    expect(await continued(parts)).toEqual(await continued(whole));
    for (const method of Object.keys(methods) as MethodName[]) {
      if (lacking(methods[method], whole.contract)) continue;
      const scores = async (model: typeof whole) => {
        using result = await attribute({ model, ...text, method, options: deep[method] ?? {} } as never);
        return result.scores;
      };
      expect(await scores(parts), method).toEqual(await scores(whole));
    }
  });

  test("says what cannot be split", async () => {
    const tiny = writeTinyModel(folder);
    await expect(loadModel(tiny, { device: "cpu,cpu,cpu,cpu" })).rejects.toMatchObject({
      code: "ERR_TOKENLENSE_INPUT",
      message: "4 devices were given for a model of 3 layers.",
    });
    await expect(loadModel(tiny, { device: "cpu,auto" })).rejects.toMatchObject({ code: "ERR_TOKENLENSE_INPUT" });
    using parts = await loadModel(tiny, { device: "cpu,cpu,cpu" });
    await expect(native().randomise(parts.native, { layers: 1, rest: true, seed: 0 }).promise).rejects.toMatchObject({
      code: "ERR_TOKENLENSE_CAPABILITY",
      hint: "Load it on one device.",
    });
  });
});
