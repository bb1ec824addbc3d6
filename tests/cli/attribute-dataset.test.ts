import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { load } from "../../src/storage/results.js";
import { temporaryFolder, writeTinyModel } from "../tiny-model.js";
import { type CommandOptions, tokenlense } from "./command.js";

const folder = temporaryFolder();
let model: string;
beforeAll(() => {
  model = writeTinyModel(folder);
});
const run = (args: string[], options: CommandOptions = {}) =>
  tokenlense(["attribute-dataset", "--model", model, "--max-new-tokens", "3", ...args], { cwd: folder, ...options });
const write = (name: string, content: string) => writeFileSync(join(folder, name), content);
const manifest = (output: string) => JSON.parse(readFileSync(join(folder, output, "manifest.json"), "utf8"));
const lines = (stdout: string) =>
  stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));

describe("attribute-dataset", () => {
  it("stores each result, tells of those that failed, and writes what the run was", async () => {
    write("questions.csv", 'id,question\n1,The sky is\n2,\n3,"Grass\nis"\n');
    const { code, stdout, stderr } = await run(["questions.csv", "--method", "occlusion", "--option", "window=2"]);
    expect({ code, stderr }).toEqual({ code: 1, stderr: "" });
    expect(stdout).toBe(
      "1 of 3 prompts failed:\n  questions.csv:3  The prompt is empty. (ERR_TOKENLENSE_PROMPT)\n" +
        "2 of 3 results stored in results/questions\n",
    );
    const output = join("results", "questions");
    const names = readdirSync(join(folder, output)).filter((name) => /^\d/.test(name));
    const results = await Promise.all(names.map((name) => load(join(folder, output, name))));
    expect(results.map(({ prompt }) => prompt).sort()).toEqual(["Grass\nis", "The sky is"]);
    for (const result of results) expect(result).toMatchObject({ method: "occlusion", outputs: 3, modelName: "tiny" });
    expect(manifest(output)).toEqual({
      version: 1,
      versions: { "tokenlense-native": expect.any(String), libtorch: expect.any(String), node: process.versions.node },
      model: { name: "tiny", sha256: expect.stringMatching(/^[0-9a-f]{64}$/), dtype: "float32", device: "cpu" },
      dataset: {
        file: "questions.csv",
        format: "csv",
        sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
        columns: { prompt: "question" },
      },
      options: expect.objectContaining({ method: "occlusion", option: { window: 2 }, "max-new-tokens": 3 }),
      started: expect.stringMatching(/Z$/),
      ended: expect.stringMatching(/Z$/),
      counts: { prompts: 3, stored: 2, failed: 1 },
    });
  });

  it("prints a JSON line for each prompt as it is through; targets and contrasts come from columns", async () => {
    const rows = [
      { full_prompt: "The sky is", answer: "The sky is blue", other: "The sky is grey and cold" },
      { full_prompt: "The sky is", answer: "Grass is", other: "The sky" },
    ];
    write("pairs.jsonl", rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
    const columns = ["--target-column", "answer", "--contrast-column", "other"];
    const { code, stdout } = await run(["pairs.jsonl", ...columns, "--json"]);
    expect(code).toBe(1);
    const outcomes = lines(stdout).sort((a, b) => a.index - b.index);
    expect(outcomes).toEqual([
      { index: 0, line: 1, file: expect.stringMatching(/results\/pairs\/\d+_\d+_tiny_The_sky_is\.json$/) },
      { index: 1, line: 2, error: expect.objectContaining({ code: "ERR_TOKENLENSE_TARGET" }) },
    ]);
    expect(await load(outcomes[0].file)).toMatchObject({ target: "The sky is blue", step: "contrast_prob_diff" });
  });

  it("puts system and user columns in the model's chat format, where a reply will do as target", async () => {
    const columns = "system_instruction,user_request,reply\n";
    write("chat.csv", `${columns}Be kind.,Why?, Because.\n,How?, So.\n`);
    const { code, stdout } = await run(["chat.csv", "--target-column", "reply", "--json"]);
    expect(code).toBe(0);
    const results = await Promise.all(lines(stdout).map(({ file }) => load(file)));
    const turn = (role: string, text: string) => `<|im_start|>${role}\n${text}<|im_end|>\n`;
    const reply = "<|im_start|>assistant\n";
    expect(results.map(({ prompt, input, target }) => ({ prompt, input, target }))).toEqual(
      [
        ["Why?", turn("system", "Be kind.") + turn("user", "Why?") + reply, " Because."],
        ["How?", turn("user", "How?") + reply, " So."],
      ].map(([prompt, input, rest]) => ({ prompt, input, target: `${input}${rest}` })),
    );
  });

  it("finds what is wrong with the whole file before it begins", async () => {
    write("wrong.csv", "a,b\nx,y\nx,y\nx\n");
    write("right.csv", "a,b\nx,y\n");
    const { code, stderr } = await run(["wrong.csv", "--model", "./none.gguf"]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^tokenlense: wrong\.csv:4 .*ERR_TOKENLENSE_FORMAT/);
    for (const args of [
      ["--method", "salience"],
      ["--column", "c"],
      ["--system", "Be kind."],
    ])
      expect((await run(["right.csv", ...args])).code).toBe(2);
    expect(readdirSync(join(folder, "results")).filter((name) => /wrong|right/.test(name))).toEqual([]);
  });
});

describe("--resume", () => {
  it("does what is left, tries again what failed, and refuses what is another run", async () => {
    write("resumed.txt", `${["The sky is", "x ".repeat(200), "Grass is", "Snow is"].join("\n")}\n`);
    const args = ["resumed.txt", "--output", "resumed", "--temperature", "1", "--json"];
    const first = await run([...args, "--limit", "2"]);
    expect(
      lines(first.stdout)
        .map(({ index }) => index)
        .sort(),
    ).toEqual([0, 1]);
    const { seed } = manifest("resumed").options; // drawn, and kept
    expect(seed).toBeTypeOf("number");

    const again = await run(args);
    expect(again.code).toBe(2);
    expect(lines(again.stdout)[0].error.hint).toContain("--resume");

    const second = await run([...args, "--resume", "--memory-budget", "1GiB"]);
    expect(
      lines(second.stdout)
        .map(({ index }) => index)
        .sort(),
    ).toEqual([1, 2, 3]);
    expect(manifest("resumed")).toMatchObject({ options: { seed }, counts: { prompts: 4, stored: 3, failed: 1 } });
    const results = readdirSync(join(folder, "resumed")).filter((name) => /^\d/.test(name));
    expect(results).toHaveLength(3);
    for (const name of results)
      expect((await load(join(folder, "resumed", name))).generation).toMatchObject({ seed, temperature: 1 });

    const other = await run([...args, "--resume", "--method", "occlusion", "--seed", String(seed + 1)]);
    expect(other.code).toBe(2);
    const { message } = lines(other.stdout)[0].error;
    expect(message).toContain('method, "saliency" then and "occlusion" now');
    expect(message).toContain(`seed, ${seed} then and ${seed + 1} now`);
    const otherModel = writeTinyModel(join(folder, "results"), { seed: 8 });
    expect(lines((await run([...args, "--resume", "--model", otherModel])).stdout)[0].error.message).toContain(
      "the model",
    );
    write("resumed.txt", "The sea is\n");
    expect(lines((await run([...args, "--resume"])).stdout)[0].error.message).toContain("the dataset");
    rmSync(join(folder, "resumed", "manifest.json"));
    expect(lines((await run([...args, "--resume"])).stdout)[0].error.message).toContain("has lost its manifest");
    expect(readdirSync(join(folder, "resumed")).filter((name) => /^\d/.test(name))).toEqual(results);
  });

  it("goes on after Ctrl-C, which says so", async () => {
    write("many.txt", "The sky is\n".repeat(400));
    const interrupted = await run(["many.txt", "--json"], {
      onStart: (child) => child.stdout?.once("data", () => child.kill("SIGINT")),
    });
    expect(interrupted.code).toBe(130);
    const printed = lines(interrupted.stdout);
    expect(printed.at(-1)?.error).toMatchObject({
      code: "ERR_TOKENLENSE_CANCELLED",
      hint: expect.stringContaining("--resume"),
    });
    const output = join("results", "many");
    expect(manifest(output).ended).toBeNull();
    const stored = readdirSync(join(folder, output)).filter((name) => /^\d/.test(name));
    expect(stored.sort()).toEqual(printed.flatMap(({ file }) => (file ? [basename(file)] : [])).sort());
    const limit = String(stored.length + 2);
    const { code, stdout } = await run(["many.txt", "--resume", "--limit", limit]);
    expect({ code, stdout }).toEqual({ code: 0, stdout: `${limit} of ${limit} results stored in results/many\n` });
  });

  it("is refused while another process is at work in the folder", async () => {
    const long = writeTinyModel(join(folder, "results"), { context: 100_000 });
    write("long.txt", "The sky is\n");
    let second: ReturnType<typeof run> | undefined;
    const first = await run(["long.txt", "--model", long, "--max-new-tokens", "90000"], {
      onStderr: (text, child) => {
        if (!text.includes("Attributing the dataset …") || second) return;
        second = run(["long.txt", "--resume"]);
        second.then(() => child.kill("SIGINT"));
      },
    });
    expect(first.code).toBe(130);
    expect(await second).toMatchObject({ code: 1, stderr: expect.stringContaining("Another process is at work") });
  });
});
