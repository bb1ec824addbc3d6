import { afterAll, describe, expect, test } from "vitest";
import { attribute } from "../../src/attribute.js";
import { native } from "../../src/install/binding.js";
import { type MethodName, methods } from "../../src/methods/index.js";
import { lacking } from "../../src/methods/method.js";
import { loadModel } from "../../src/models/model.js";
import { LOGIT } from "../methods/plans.js";
import { temporaryFolder } from "../tiny-model.js";
import { FAMILY_GOLDENS, writeFamilyFolder } from "./family-files.js";
import { ids, options, text } from "./small-runs.js";

// `tokenlense models inspect` lists what `lacking` has nothing against: that must be what the engine does.

const families = [...new Map(FAMILY_GOLDENS.map((golden) => [String(golden.config.architectures), golden])).values()];

describe.each(families)("$name", (golden) => {
  const loaded = loadModel(writeFamilyFolder(temporaryFolder(), golden), { device: "cpu" });
  afterAll(async () => (await loaded).dispose());

  test("a method is offered where it works, else refused", async () => {
    const model = await loaded;
    for (const name of Object.keys(methods) as MethodName[]) {
      const work = attribute({ model, ...text, method: name, options: options[name] ?? {} });
      if (!lacking(methods[name], model.contract)) {
        await expect(work, name).resolves.toBeDefined();
        continue;
      }
      await expect(work, name).rejects.toMatchObject({ code: "ERR_TOKENLENSE_CAPABILITY", hint: expect.any(String) });
      // The engine itself could not either.
      const plan = methods[name].plan(methods[name].options.parse({}), { model, ids, promptLength: 4 });
      const common = {
        ids,
        promptLength: 4,
        step: LOGIT,
        stepScores: [],
        memoryBudget: 2 ** 30,
        engine: "auto",
      } as const;
      await expect(native().attribute(model.native, { ...common, ...plan } as never).promise).rejects.toMatchObject({
        code: "ERR_TOKENLENSE_CAPABILITY",
      });
    }
    const mixture = /Mixtral|Moe/.test(String(golden.config.architectures));
    expect(
      Object.values(methods)
        .filter((method) => lacking(method, model.contract))
        .map(({ name }) => name),
    ).toEqual(mixture ? ["deeplift", "layer_deeplift"] : []);
  });
});
