import type { ChildProcess } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { stringify } from "csv-stringify/sync";
import { expect, it } from "vitest";
import type { Attribution } from "../../src/result.js";
import { load } from "../../src/storage/results.js";
import { uniform } from "../models/tiny.js";
import { temporaryFolder, writeTinyModel } from "../tiny-model.js";
import { tokenlense } from "./command.js";

const PROMPTS = 1000;
const KILLS = 10;
const folder = temporaryFolder();
const random = uniform(20);
const upTo = (limit: number) => Math.floor(random() * limit);

it("a run over a thousand prompts, killed ten times at random and resumed, ends as one left alone", async () => {
  const model = writeTinyModel(folder, { layers: 1 });
  writeDataset(join(folder, "prompts.csv"));
  const run = (output: string, onStart?: (child: ChildProcess) => void, more: string[] = []) =>
    tokenlense(
      [
        ...["attribute-dataset", "prompts.csv", "--output", output, "--resume", "--json", "--model", model],
        // Sampled, so that texts hang on the seed. Weights in bfloat16 are multiplied in one way; of the ways to multiply
        // float32 each process takes the one that it measured as fastest, and they round apart.
        ...["--max-new-tokens", "2", "--temperature", "1", "--seed", "5", "--dtype", "bfloat16", ...more],
      ],
      { cwd: folder, env: { OMP_NUM_THREADS: "1" }, ...(onStart && { onStart }) },
    );
  await run("first", undefined, ["--limit", "1"]); // makes the archive, which the others load

  const alone = run("alone");
  const stored: number[] = [];
  for (let kill = 0; kill < KILLS; kill++) {
    // Most while it stores, at any point of that; some before.
    const moment = kill % 4 === 3 ? killAfter(0, upTo(1000)) : killAfter(1 + upTo(100), upTo(20));
    expect((await run("killed", moment)).code).toBeNull();
    stored.push(results("killed").length);
  }
  expect(stored.at(-1)).toBeGreaterThan(50);
  expect(stored.at(-1)).toBeLessThan(PROMPTS - 50);
  expect((await run("killed")).code).toBe(1); // some of its prompts fail
  expect((await alone).code).toBe(1);

  const [untouched, resumed] = [await ended("alone"), await ended("killed")];
  expect([...resumed.keys()]).toEqual([...Array(PROMPTS).keys()]);
  expect(resumed).toEqual(untouched);
  const empty = { code: "ERR_TOKENLENSE_PROMPT" };
  expect([...resumed.values()].filter((what) => isDeepStrictEqual(what, empty))).toHaveLength(PROMPTS / 50);
});

/** Prompts of a few words, many of which begin alike; every fiftieth fails. */
function writeDataset(file: string): void {
  const words = "the river runs past old mills and quiet towns where people once made cloth".split(" ");
  const text = () => Array.from({ length: 3 + upTo(3) }, () => words[upTo(words.length)]).join(" ");
  const rows = Array.from({ length: PROMPTS }, (_, i) => [i, i % 50 === 17 ? "" : `Say, "${i % 3}":\n${text()}`]);
  writeFileSync(file, stringify([["id", "full_prompt"], ...rows]));
}

/** Kills a child without warning so many milliseconds after it printed so many lines. */
function killAfter(lines: number, milliseconds: number): (child: ChildProcess) => void {
  return (child) => {
    let seen = 0;
    const arm = () => setTimeout(() => child.kill("SIGKILL"), milliseconds);
    if (lines === 0) arm();
    child.stdout?.on("data", (text: string) => {
      const before = seen;
      seen += text.split("\n").length - 1;
      if (before < lines && seen >= lines) arm();
    });
  };
}

const results = (output: string): string[] => readdirSync(join(folder, output)).filter((name) => /^\d+_/.test(name));

/** What became of each prompt; that the folder holds each result once, whole, and nothing else. */
async function ended(output: string): Promise<Map<number, object>> {
  const lines = readFileSync(join(folder, output, "journal.jsonl"), "utf8")
    .trimEnd()
    .split("\n");
  const entries = lines.map((line) => JSON.parse(line) as { index: number; file?: string; error?: { code: string } });
  const last = new Map(entries.map((entry) => [entry.index, entry]));
  const files = [...last.values()].flatMap(({ file }) => file ?? []);
  expect(entries.filter(({ file }) => file !== undefined)).toHaveLength(files.length);
  expect(readdirSync(join(folder, output)).sort()).toEqual([...files, "journal.jsonl", "manifest.json"].sort());
  const { ended, counts } = JSON.parse(readFileSync(join(folder, output, "manifest.json"), "utf8"));
  expect(ended).toBeTypeOf("string");
  expect(counts).toEqual({ prompts: PROMPTS, stored: files.length, failed: PROMPTS - files.length });
  const outcomes = await Promise.all(
    Array.from({ length: PROMPTS }, async (_, index): Promise<[number, object]> => {
      const { file, error } = last.get(index) ?? {};
      return [index, file ? computed(await load(join(folder, output, file))) : { code: error?.code }];
    }),
  );
  return new Map(outcomes);
}

/** All of a result but when and how fast it was made. */
function computed(result: Attribution): object {
  const { timings: _, timestamp: __, stats: ___, ...rest } = { ...result };
  return { ...rest, scores: Buffer.from(result.scores.buffer).toString("base64") };
}
