import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { otherVariables } from "../../src/cli/config.js";
import { userFile } from "../../src/cli/settings/files.js";
import { leaves } from "../../src/cli/settings/hooks.js";
import { settable, variableName } from "../../src/cli/settings/places.js";
import { schemasOf } from "../../src/cli/settings/schemas.js";
import { packageRoot } from "../../src/install/package.js";
import { DTYPES } from "../../src/models/contract.js";
import { tokenlense } from "./command.js";
import { definedCommands, workplace } from "./settings/program.js";

const place = workplace();

describe("tokenlense config", () => {
  it("says that there is nothing, and where it looked", async () => {
    const { code, stdout } = await tokenlense(["config"]);
    expect(code).toBe(0);
    for (const text of ["tokenlense.config.json", userFile(), "all as by default"]) expect(stdout).toContain(text);
  });

  it("shows files, variables, and what options come to and why", async () => {
    const project = place.write("tokenlense.config.json", { attribute: { method: "occlusion", save: false } });
    const user = place.writeUser({ seed: 3, attribute: { method: "lime" } });
    const env = { TOKENLENSE_MEMORY_BUDGET: "2GiB", TOKENLENSE_METOD: "x", TOKENLENSE_CACHE: place.folder };
    const { code, stdout } = await tokenlense(["config", "attribute"], { env });
    expect(code).toBe(0);
    const text = stdout.replaceAll(/ +/g, " ");
    for (const line of [
      `${project} (the project's)`,
      `${user} (yours)`,
      "TOKENLENSE_MEMORY_BUDGET=2GiB",
      `TOKENLENSE_CACHE=${place.folder}`,
      "TOKENLENSE_METOD is read by nothing. Did you mean TOKENLENSE_METHOD?",
      `method occlusion ${project}: attribute.method`,
      `save false ${project}: attribute.save`,
      `seed 3 ${user}: seed`,
      "memoryBudget 2147483648 TOKENLENSE_MEMORY_BUDGET",
      "temperature 0 default",
      "target not set",
    ])
      expect(text.split("\n").map((one) => one.trim())).toContain(line);

    const json = JSON.parse((await tokenlense(["config", "attribute", "--json"], { env })).stdout);
    expect(json).toMatchObject({
      files: [
        { path: project, kind: "project" },
        { path: user, kind: "user" },
      ],
      unknownVariables: [{ name: "TOKENLENSE_METOD", nearest: expect.arrayContaining(["TOKENLENSE_METHOD"]) }],
      commands: [{ command: "attribute" }],
    });
    expect(json.commands[0].options).toContainEqual({
      ...{ option: "--seed", key: "seed", variable: "TOKENLENSE_SEED" },
      ...{ value: 3, source: "config", from: `${user}: seed` },
    });
  });

  it("tells which commands would fail, with exit code 2", async () => {
    place.write("tokenlense.config.json", { dtype: "bfloat16" });
    const { code, stdout } = await tokenlense(["config"]);
    expect(code).toBe(2);
    expect(stdout).toMatch(/`tokenlense export` would fail: .*dtype: Allowed choices are float32/);
    expect(stdout).not.toContain("`tokenlense generate` would fail");
  });

  it("gives the nearest name for a command that there is not", async () => {
    const { code, stderr } = await tokenlense(["config", "atribute"]);
    expect(code).toBe(2);
    expect(stderr).toContain("Did you mean attribute?");
  });
});

it("knows every variable that is read, and no option's has another meaning", () => {
  const read = new Set<string>();
  for (const entry of readdirSync(join(packageRoot(), "src"), { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const text = readFileSync(join(entry.parentPath, entry.name), "utf8");
    for (const [, name = ""] of text.matchAll(/process\.env\.(TOKENLENSE_\w+)/g)) read.add(name);
  }
  expect([...read].sort()).toEqual([...otherVariables].sort());
  for (const command of leaves(definedCommands()))
    for (const option of settable(command)) expect(read).not.toContain(variableName(option.attributeName()));
});

it("flags' defaults and choices are the API's", async () => {
  const [attribute] = leaves(definedCommands());
  if (!attribute) throw new Error("no command");
  const schemas = await schemasOf(attribute);
  const options = new Map(settable(attribute).map((option) => [option.attributeName(), option]));
  const defaults = ["temperature", "topK", "topP", "seed", "maxNewTokens", "memoryBudget"];
  for (const key of defaults) expect(options.get(key)?.defaultValue).toBe(schemas[key]?.parse(undefined));
  expect(options.get("dtype")?.argChoices).toEqual(DTYPES);
});
