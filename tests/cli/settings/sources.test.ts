import { join } from "node:path";
import { Command } from "commander";
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { useSettings } from "../../../src/cli/settings/hooks.js";
import { methods } from "../../../src/methods/index.js";
import { errorOf, optionsOf, workplace } from "./program.js";

const place = workplace();

describe("order", () => {
  it("is flag, variable, the project's file, the user's, default", async () => {
    expect(await optionsOf("generate", "x")).toMatchObject({ topK: 0 });
    place.writeUser({ topK: 1 });
    expect(await optionsOf("generate", "x")).toMatchObject({ topK: 1 });
    place.write("tokenlense.config.json", { topK: 2 });
    expect(await optionsOf("generate", "x")).toMatchObject({ topK: 2 });
    vi.stubEnv("TOKENLENSE_TOP_K", "3");
    expect(await optionsOf("generate", "x")).toMatchObject({ topK: 3 });
    expect(await optionsOf("generate", "x", "--top-k", "4")).toMatchObject({ topK: 4 });
  });

  it("puts a command's own part before what is for all, in one place, but not before a stronger place", async () => {
    place.writeUser({ generate: { seed: 1 } });
    expect(await optionsOf("generate", "x")).toMatchObject({ seed: 1 });
    place.write(".tokenlenserc", { seed: 2, generate: { topK: 5 } });
    expect(await optionsOf("generate", "x")).toMatchObject({ seed: 2, topK: 5 });
    expect(await optionsOf("attribute", "x")).toMatchObject({ seed: 2, topK: 0 });
    vi.stubEnv("TOKENLENSE_DTYPE", "float16");
    vi.stubEnv("TOKENLENSE_MODELS_BUILD_DTYPE", "bfloat16");
    expect(await optionsOf("models", "build", "x")).toMatchObject({ dtype: "bfloat16" });
    expect(await optionsOf("generate", "x")).toMatchObject({ dtype: "float16" });
  });

  it("keeps what a file says of one option where a flag gives another", async () => {
    place.write("tokenlense.config.json", { models: { build: { output: "here.pt" } }, attribute: { save: false } });
    expect(await optionsOf("models", "build", "x", "--dtype", "float16")).toEqual({
      output: join(place.folder, "here.pt"),
      dtype: "float16",
    });
    expect(await optionsOf("attribute", "x", "--seed", "1")).toMatchObject({ save: false, seed: 1 });
  });

  it("lets a flag take the place of a value that is wrong", async () => {
    place.write("tokenlense.config.json", { temperature: "hot" });
    expect(await optionsOf("generate", "x", "--temperature", "0.5")).toMatchObject({ temperature: 0.5 });
  });

  it("has an empty variable mean none", async () => {
    vi.stubEnv("TOKENLENSE_MODEL", "");
    expect(await optionsOf("generate", "x")).toMatchObject({ model: "smollm2-135m-instruct" });
  });

  it("satisfies an option that must be given", async () => {
    expect((await errorOf("attribute-context", "x")).message).toContain("--context");
    vi.stubEnv("TOKENLENSE_CONTEXT", "I live in Paris.");
    expect(await optionsOf("attribute-context", "x")).toMatchObject({ context: "I live in Paris." });
  });
});

describe("files", () => {
  it("are looked for upwards, the nearest first, in package.json too", async () => {
    place.write("package.json", { name: "mine", tokenlense: { seed: 1 } });
    place.write("inner/package.json", { name: "without" });
    place.write("inner/deep/broken/package.json", "{");
    process.chdir(join(place.folder, "inner/deep/broken"));
    expect(await optionsOf("generate", "x")).toMatchObject({ seed: 1 });
    place.write("inner/tokenlense.config.json", { seed: 2 });
    expect(await optionsOf("generate", "x")).toMatchObject({ seed: 2 });
  });

  it("may be chosen by flag or variable, in place of the project's", async () => {
    place.write("tokenlense.config.json", { seed: 1, topK: 1 });
    place.writeUser({ topK: 7 });
    place.write("other/chosen.json", { seed: 2 });
    expect(await optionsOf("generate", "x", "--config", "other/chosen.json")).toMatchObject({ seed: 2, topK: 7 });
    expect(await optionsOf("--config", "other/chosen.json", "generate", "x")).toMatchObject({ seed: 2, topK: 7 });
    vi.stubEnv("TOKENLENSE_CONFIG", "other/chosen.json");
    expect(await optionsOf("generate", "x")).toMatchObject({ seed: 2, topK: 7 });
    const error = await errorOf("generate", "x", "--config", "none.json");
    expect(error).toMatchObject({ code: "ERR_TOKENLENSE_FILE", message: expect.stringContaining("none.json") });
  });

  it("hold paths that are relative to them; a model is a path where it begins with a dot", async () => {
    place.write("tokenlense.config.json", { model: "./m.gguf", attribute: { output: "kept" } });
    place.write("inner/x", "");
    process.chdir(join(place.folder, "inner"));
    expect(await optionsOf("attribute", "x")).toMatchObject({
      model: join(place.folder, "m.gguf"),
      output: join(place.folder, "kept"),
    });
    expect(await optionsOf("attribute", "x", "--output", "here")).toMatchObject({ output: "here" });
    place.write("tokenlense.config.json", { model: "owner/name" });
    expect(await optionsOf("attribute", "x")).toMatchObject({ model: "owner/name", output: "results" });
  });
});

it("a key may name a command and an option: an object is the command's", async () => {
  const seen: unknown[] = [];
  const program = new Command("tokenlense").exitOverride();
  for (const name of ["save", "run"])
    program
      .command(name)
      .option("--no-save", "do not store")
      .option("--name <text>", "of the file")
      .action((given) => void seen.push(given));
  useSettings(program);
  place.write("tokenlense.config.json", { save: { name: "mine" }, run: { save: false } });
  await program.parseAsync(["save"], { from: "user" });
  place.write("tokenlense.config.json", { save: false });
  await program.parseAsync(["run"], { from: "user" });
  expect(seen).toEqual([{ save: true, name: "mine" }, { save: false }]);
});

describe("lists and methods' options", () => {
  it("begin anew with a flag", async () => {
    place.write("tokenlense.config.json", {
      ...{ method: "occlusion", option: { window: 2, baseline: "zero" } },
      stepScore: ["entropy", { name: "top_p_size", topP: 0.5 }, "top_p_size:topP=0.7"],
    });
    const top = (topP: number) => ({ name: "top_p_size", topP });
    expect(await optionsOf("attribute", "x")).toMatchObject({
      option: { window: 2, baseline: "zero" },
      stepScore: ["entropy", top(0.5), top(0.7)],
    });
    const flags = ["--option", "window=3", "--step-score", "logit", "--step-score", "entropy"];
    const given = await optionsOf("attribute", "x", ...flags);
    expect(given.option).toEqual({ window: 3 });
    expect(given.stepScore).toEqual(["logit", "entropy"]);
  });

  it("may be words or JSON in a variable", async () => {
    vi.stubEnv("TOKENLENSE_METHOD", "occlusion");
    vi.stubEnv("TOKENLENSE_OPTION", "window=3 baseline=zero");
    vi.stubEnv("TOKENLENSE_STEP_SCORE", '["entropy", {"name": "top_p_size", "topP": 0.5}]');
    expect(await optionsOf("attribute", "x")).toMatchObject({
      option: { window: 3, baseline: "zero" },
      stepScore: ["entropy", { name: "top_p_size", topP: 0.5 }],
    });
    vi.stubEnv("TOKENLENSE_OPTION", '{"window": 4}');
    expect(await optionsOf("attribute", "x")).toMatchObject({ option: { window: 4 } });
  });

  it("are left where a stronger place chooses another method than the one they were written for", async () => {
    place.write("tokenlense.config.json", { method: "occlusion", option: { window: 2 } });
    expect(await optionsOf("attribute", "x", "--method", "lime")).toMatchObject({ method: "lime", option: {} });
    expect(await optionsOf("attribute", "x", "--method", "occlusion")).toMatchObject({ option: { window: 2 } });
    // Written for any method.
    place.write("tokenlense.config.json", { option: { aggregate: "sum" } });
    expect(await optionsOf("attribute", "x", "--method", "lime")).toMatchObject({ option: { aggregate: "sum" } });
  });
});

it("a value means the same as flag, as variable and in a file", async () => {
  const cases = fc.record(
    {
      temperature: fc.double({ min: 0, max: 10, noNaN: true }),
      topP: fc.double({ min: 0.01, max: 1, noNaN: true }),
      topK: fc.nat(),
      maxNewTokens: fc.integer({ min: 1, max: 1e6 }),
      seed: fc.maxSafeNat(),
      memoryBudget: fc.constantFrom("2GiB", "500 MB", "1000000"),
      method: fc.constantFrom(...Object.keys(methods)),
      step: fc.constantFrom("entropy", "kl_divergence:topK=10", "top_p_size:topP=0.5"),
      system: fc.string({ unit: "grapheme", minLength: 1 }).filter((text) => !text.includes("\0")),
      dtype: fc.constantFrom("float32", "bfloat16"),
    },
    { requiredKeys: [] },
  );
  const snake = (key: string) => key.replaceAll(/[A-Z]/g, "_$&").toUpperCase();
  await fc.assert(
    fc.asyncProperty(cases, async (values) => {
      const entries = Object.entries(values).map(([key, value]) => [key, value, String(value)] as const);
      const flags = entries.map(([key, , text]) => `--${snake(key).toLowerCase().replaceAll("_", "-")}=${text}`);
      const expected = await optionsOf("attribute", "x", ...flags);
      place.write("tokenlense.config.json", values);
      expect(await optionsOf("attribute", "x")).toEqual(expected);
      place.write("tokenlense.config.json", {});
      for (const [key, , text] of entries) vi.stubEnv(`TOKENLENSE_${snake(key)}`, text);
      expect(await optionsOf("attribute", "x")).toEqual(expected);
      for (const [key] of entries) vi.stubEnv(`TOKENLENSE_${snake(key)}`, undefined);
    }),
    { numRuns: 60 },
  );
});
