import { describe, expect, it, vi } from "vitest";
import { errorOf, optionsOf, workplace } from "./program.js";

const place = workplace();

describe("a file that is wrong is named, with the key, and the nearest name", () => {
  it.each([
    [{ metod: 1 }, "metod: unknown key", "method"],
    [{ attribute: { maxTokens: 1 } }, "attribute.maxTokens: unknown key", undefined],
    [{ attribute: { sensitivty: "logit" } }, "attribute.sensitivty: unknown key", undefined],
    [{ models: { biuld: {} } }, "models.biuld: unknown key", "build"],
    [{ noSave: true }, "noSave: unknown key", "save"],
    [{ config: "x.json" }, "config: unknown key", undefined],
    [{ attribute: 5 }, "attribute: expected an object", undefined],
    [["model"], "expected an object", undefined],
    [{ temperature: -1 }, "temperature: Too small", undefined],
    [{ temperature: "hot" }, "temperature: Give a number", undefined],
    [{ maxNewTokens: 0 }, "maxNewTokens: Too small", undefined],
    [{ maxNewTokens: [1] }, "maxNewTokens: ", undefined],
    [{ attribute: { topP: 1.5 } }, "attribute.topP: Too big", undefined],
    [{ memoryBudget: "lots" }, "memoryBudget: Give a size", undefined],
    [{ device: "gpu" }, "device: expected", undefined],
    [{ dtype: "int8" }, "dtype: Allowed choices", undefined],
    [{ chat: "yes" }, "chat: expected true or false", undefined],
    [{ save: null }, "save: expected true or false", undefined],
    [{ target: { text: "x" } }, "target: expected text", undefined],
    [{ target: 5 }, "target: expected text", undefined],
    [{ method: "salience" }, 'method: Unknown method "salience"', "saliency"],
    [{ method: "occlusion", option: { windw: 2 } }, "option: Unknown option of occlusion", "window"],
    [{ method: "occlusion", option: { window: 0 } }, "option: window: Too small", undefined],
    [{ option: "window" }, "option: Give name=value", undefined],
    [{ step: "probabilty" }, "step: Unknown step function", "probability"],
    [{ step: { topK: 2 } }, "step: expected a name", undefined],
    [{ stepScore: ["entropy", { name: "top_p_size", topP: 3 }] }, "stepScore: topP: Too big", undefined],
  ])("%j", async (content, what, meant) => {
    const file = place.write("tokenlense.config.json", content);
    const error = await errorOf("attribute", "x");
    expect(error).toMatchObject({ code: "ERR_TOKENLENSE_INPUT", message: expect.stringContaining(`${file}: ${what}`) });
    if (meant !== undefined) expect(error.hint).toContain(meant);
  });

  it("of the user's too, and where it is no JSON", async () => {
    const file = place.writeUser({ attribute: { metod: "x" } });
    expect((await errorOf("generate", "x")).message).toBe(`${file}: attribute.metod: unknown key.`);
    const other = place.write(".tokenlenserc", "model: x");
    expect((await errorOf("generate", "x")).message).toContain(`${other} is no JSON`);
  });
});

describe("a variable that is wrong is named", () => {
  it.each([
    ["TOKENLENSE_TEMPERATURE", "-1", "Too small"],
    ["TOKENLENSE_MAX_NEW_TOKENS", "many", "whole number"],
    ["TOKENLENSE_ATTRIBUTE_CHAT", "perhaps", "true or false"],
    ["TOKENLENSE_METHOD", "salience", "Unknown method"],
    ["TOKENLENSE_AGGREGATE", "median", "vnorm"],
    ["TOKENLENSE_STEP_SCORE", '["entropy"', "Unknown step function"],
  ])("%s=%s", async (name, value, what) => {
    vi.stubEnv(name, value);
    const { code, message } = await errorOf("attribute", "x");
    expect(code).toBe("ERR_TOKENLENSE_INPUT");
    expect(message).toContain(`${name}: `);
    expect(message).toContain(what);
  });

  it.each([
    ["1", true],
    ["true", true],
    ["0", false],
    ["no", false],
  ])("and may be %s for a switch", async (text, value) => {
    vi.stubEnv("TOKENLENSE_CHAT", text);
    vi.stubEnv("TOKENLENSE_SAVE", text);
    expect(await optionsOf("attribute", "x")).toMatchObject({ chat: value, save: value });
  });
});

it("holds flags to the same schemas, before a model is looked for", async () => {
  for (const [flag, value, what] of [
    ["--temperature", "-1", "--temperature: Too small"],
    ["--top-p", "2", "--top-p: Too big"],
    ["--device", "gpu", "--device: expected"],
    ["--sensitivity", "kl", '--sensitivity: Unknown step function "kl"'],
  ] as const)
    expect((await errorOf("attribute-context", "x", "--context", "y", flag, value)).message).toContain(what);
});

it("takes nothing from a project's file that lets others' code run", async () => {
  for (const content of [{ trustRemoteCode: true }, { export: { python: "./python" } }]) {
    const file = place.write("tokenlense.config.json", content);
    const error = await errorOf("export", "x", "y.pt");
    expect(error.message).toContain(`${file}: `);
    expect(error.hint).toContain("TOKENLENSE_");
  }
  place.write("tokenlense.config.json", {});
  place.writeUser({ trustRemoteCode: true });
  vi.stubEnv("TOKENLENSE_PYTHON", "python3");
  expect(await optionsOf("export", "x", "y.pt")).toMatchObject({ trustRemoteCode: true, python: "python3" });
});

it("lets a wrong file be, for help", async () => {
  place.write("tokenlense.config.json", "{");
  expect(await errorOf("attribute", "--help")).toMatchObject({ code: "commander.helpDisplayed" });
});
