import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { load, save } from "../../src/storage/results.js";
import { example } from "../example.js";
import { temporaryFolder } from "../tiny-model.js";
import { type CommandOptions, tokenlense } from "./command.js";

const folder = temporaryFolder();
const run = (args: string[], options: CommandOptions = {}) => tokenlense(args, { cwd: folder, ...options });
const beside = (file: string) => file.replace(/json$/, "safetensors");

let [plain, layered] = ["", ""];
beforeAll(async () => {
  const results = join(folder, "results");
  plain = await save(example(["The capital", " of France"], [" is", " \u202ePa\0ris"]), results);
  layered = await save(
    example(["Hi"], [" there"], undefined, {
      shape: [2, 1, 3],
      dimensions: ["layer"],
      scores: Float32Array.of(-1, 2, -0, 0, 0, 0),
      method: "attention",
      modelName: "/models/other.gguf",
      timestamp: new Date("2025-04-05T08:00:00Z"),
    }),
    results,
  );
});

describe("list", () => {
  it("prints a line for each, the newest first, with nothing that moves the cursor", async () => {
    const { code, stdout, stderr } = await run(["list"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const lines = stdout.trimEnd().split("\n");
    expect(lines[0]).toBe("2 in results");
    expect(lines[1]?.trim().split(/ {2,}/)).toEqual(["made (UTC)", "model", "method", "tokens", "prompt", "file"]);
    expect(lines[2]?.trim().split(/ {2,}/)).toEqual([
      "2025-04-05 08:00",
      "other.gguf",
      "attention",
      "1 + 1",
      "Hi",
      basename(layered),
    ]);
    expect(lines[3]).toContain("The capital of France");
    expect(lines).toHaveLength(4);
  });

  it("takes what is asked for, and prints JSON", async () => {
    const files = async (...args: string[]) => {
      const { code, stdout } = await run(["list", "results", "--json", ...args]);
      expect(code).toBe(0);
      return (JSON.parse(stdout) as { results: { file: string }[] }).results.map(({ file }) => file);
    };
    expect(await files()).toEqual([layered, plain]);
    expect(await files("--model", "OTHER")).toEqual([layered]);
    expect(await files("--method", "saliency")).toEqual([plain]);
    expect(await files("--text", "france")).toEqual([plain]);
    expect(await files("--since", "2025-04-03", "--until", "2025-04-03")).toEqual([plain]);
    expect(await files("--since", "2025-04-05T08:00:01Z")).toEqual([]);
  });

  it("names damaged files and ends with 0", async () => {
    const broken = join(folder, "broken");
    mkdirSync(broken);
    writeFileSync(join(broken, basename(plain)), "{");
    const { code, stdout } = await run(["list", broken]);
    expect(code).toBe(0);
    expect(stdout).toContain(`1 cannot be read\n  ${basename(plain)}\n`);
    expect(stdout).toContain("ERR_TOKENLENSE_FORMAT");
    const { damaged } = JSON.parse((await run(["list", broken, "--json"])).stdout);
    expect(damaged).toEqual([
      { file: join(broken, basename(plain)), code: "ERR_TOKENLENSE_FORMAT", message: expect.any(String) },
    ]);
  });

  it("refuses a folder that is not there, and a date that is none", async () => {
    expect(await run(["list", "nowhere"])).toMatchObject({ code: 1, stderr: expect.stringContaining("nowhere") });
    for (const date of ["soon", "2025-13-01", "5"])
      expect(await run(["list", "--since", date])).toMatchObject({
        code: 2,
        stderr: expect.stringContaining("2025-04-03"),
      });
  });
});

describe("show", () => {
  it("prints what attribute prints, or the whole document", async () => {
    const { code, stdout } = await run(["show", layered]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^\/models\/other.gguf · attention of probability · 1 prompt token, 1 output/);
    expect(stdout).toContain("token \\ output");
    const shown = await run(["show", plain, "--json"]);
    expect(shown.stdout).toBe(readFileSync(plain, "utf8"));
  });

  it("says what is wrong with a file", async () => {
    const { code, stdout } = await run(["show", "none.json", "--json"]);
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: "ERR_TOKENLENSE_FILE" } });
  });
});

describe("save", () => {
  it("stores a document from stdin under its own name", async () => {
    const { stdout: document } = await run(["show", plain, "--json"]);
    const { code, stdout } = await run(["save", "-", "--output", "copies"], { input: document });
    expect({ code, stdout }).toEqual({ code: 0, stdout: `Stored in ${join(folder, "copies", basename(plain))}\n` });
    expect(readFileSync(join(folder, "copies", basename(plain)), "utf8")).toBe(document);
  });

  it("stores a file with what lies beside it", async () => {
    const { code, stdout } = await run(["save", layered, "--output", "others", "--json"]);
    expect(code).toBe(0);
    const { file } = JSON.parse(stdout) as { file: string };
    expect(readdirSync(join(folder, "others")).sort()).toEqual([basename(file), basename(beside(file))].sort());
    expect(await load(file)).toEqual(await load(layered));
  });

  it("says what came in place of a result, and stores nothing", async () => {
    for (const [input, what] of [
      ["", "stdin is not JSON"],
      ["{}", "stdin is no TokenLense result"],
      [
        '{"error":{"code":"ERR_TOKENLENSE_PROMPT","message":"The prompt is empty."}}',
        "The prompt is empty. (ERR_TOKENLENSE_PROMPT)",
      ],
      [readFileSync(layered, "utf8"), basename(beside(layered))],
    ] as const) {
      const { code, stderr } = await run(["save", "-", "--output", "nothing"], { input });
      expect(code).toBe(1);
      expect(stderr).toContain(what);
    }
    expect(existsSync(join(folder, "nothing"))).toBe(false);
  });
});

describe("load", () => {
  it("checks all of a result and sums it up", async () => {
    const { code, stdout } = await run(["load", layered]);
    expect(code).toBe(0);
    const lines = stdout
      .trimEnd()
      .split("\n")
      .map((line) => line.trim().replaceAll(/ {2,}/g, ": "));
    expect(lines).toEqual([
      layered,
      "model: /models/other.gguf",
      "method: attention of probability",
      "prompt: Hi",
      "made: 2025-04-05T08:00:00.000Z",
      "tokens: 1 of the prompt, 1 attributed",
      "shape: [sequence 2, outputs 1, layer 3]",
      "scores: -1.00 to 2.00, mean 0.333, 1 of 3 zero",
      "step scores: probability",
      "versions: tokenlense-native 0.1.0, libtorch 2.13.0",
    ]);
  });

  it("as JSON", async () => {
    const { stdout } = await run(["load", plain, "--json"]);
    expect(JSON.parse(stdout)).toMatchObject({
      file: plain,
      model: "org/tiny-model",
      tokens: { prompt: 2, outputs: 2 },
      shape: [4, 2],
      dimensions: [],
      // (position + 1) / (output + 2), of 2 positions for the first output and 3 for the second
      scores: {
        least: Math.fround(1 / 3),
        most: 1,
        mean: (0.5 + 1 + Math.fround(1 / 3) + Math.fround(2 / 3) + 1) / 5,
        zeros: 0,
        count: 5,
      },
      stepScores: ["probability"],
    });
  });

  it("finds damage beside the document", async () => {
    const { stdout } = await run(["save", layered, "--output", "damaged", "--json"]);
    const { file } = JSON.parse(stdout) as { file: string };
    writeFileSync(beside(file), readFileSync(beside(file)).reverse());
    const { code, stderr } = await run(["load", file]);
    expect(code).toBe(1);
    expect(stderr).toContain(basename(beside(file)));
    expect(stderr).toContain("ERR_TOKENLENSE_FORMAT");
  });
});

describe("remove", () => {
  it("removes results with what lies beside them, or only says what it would", async () => {
    const files: string[] = [];
    for (const source of [plain, layered])
      files.push(JSON.parse((await run(["save", source, "--output", "old", "--json"])).stdout).file);
    const all = [files[0], files[1], beside(files[1] as string)];
    const dry = await run(["remove", ...files, "--dry-run"]);
    expect(dry).toMatchObject({ code: 0, stdout: `Would be removed\n${all.map((path) => `  ${path}\n`).join("")}` });
    expect(readdirSync(join(folder, "old"))).toHaveLength(3);
    const { stdout } = await run(["remove", ...files, files[0] as string, "--json"]);
    expect(JSON.parse(stdout)).toEqual({ removed: all, dryRun: false });
    expect(readdirSync(join(folder, "old"))).toEqual([]);
  });

  it("removes nothing where one of the names is wrong", async () => {
    writeFileSync(join(folder, "notes.json"), "{}");
    for (const [name, code] of [
      ["none.json", 1],
      ["notes.json", 2],
    ] as const)
      expect((await run(["remove", plain, name])).code).toBe(code);
    expect(existsSync(plain)).toBe(true);
    expect(existsSync(join(folder, "notes.json"))).toBe(true);
  });
});

it("each command's help has an example and the exit codes", async () => {
  for (const command of ["list", "show", "save", "load", "remove"]) {
    const { code, stdout } = await run([command, "--help"]);
    expect(code).toBe(0);
    expect(stdout).toMatch(new RegExp(`Example: tokenlense .*${command} `));
    expect(stdout).toContain("Exit codes");
  }
});
