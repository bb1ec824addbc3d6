import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { reportSchema } from "../../src/bench/schema.js";
import { noisyRows, report } from "../bench/rows.js";
import { temporaryFolder, writeTinyModel } from "../tiny-model.js";
import { type CommandOptions, tokenlense } from "./command.js";

const folder = temporaryFolder();
let model: string;
beforeAll(() => {
  model = writeTinyModel(folder);
  writeFileSync(join(folder, "prompts.txt"), "The sky is\nGrass is green and so\n");
});
const bench = (args: string[], options: CommandOptions = {}) =>
  tokenlense(["bench", ...args], { cwd: folder, ...options });
const quick = ["--repeats", "1", "--warmup", "0"];
const stored = (run: string) => reportSchema.parse(JSON.parse(readFileSync(join(folder, run, "report.json"), "utf8")));

describe("bench", () => {
  it("without a subcommand measures, takes settings, writes a report; stopped by Ctrl-C it can go on", async () => {
    const config = { model, bench: { method: ["saliency", "integrated_gradients:steps=50"], maxNewTokens: 2 } };
    writeFileSync(join(folder, "tokenlense.config.json"), JSON.stringify(config));
    const args = ["--dataset", "prompts.txt", "--repeats", "30", "--warmup", "0"];
    let interrupted = false;
    const stop = setInterval(() => {
      const [run] = existsSync(join(folder, "results")) ? readdirSync(join(folder, "results")) : [];
      const journal = join(folder, "results", run ?? "", "journal.jsonl");
      if (interrupted || !run || !existsSync(journal) || !readFileSync(journal, "utf8").includes('"row"')) return;
      interrupted = true;
      child?.kill("SIGINT");
    }, 20);
    let child: import("node:child_process").ChildProcess | undefined;
    const first = await bench(args, {
      onStart: (started) => {
        child = started;
      },
    });
    clearInterval(stop);
    expect(first).toMatchObject({ code: 130, stderr: expect.stringContaining("--resume") });
    const [run = ""] = readdirSync(join(folder, "results"));
    const before = stored(join("results", run));
    expect(before).toMatchObject({ ended: null, cells: 120 });
    expect(before.rows.length).toBeGreaterThan(0);
    expect(before.rows.length).toBeLessThan(120);
    expect(first.stdout).toContain(`${before.rows.length} of 120 cells; the run was stopped.`);

    const again = await bench([...args, "--resume", "--json"]);
    expect(again).toMatchObject({ code: 0 });
    const { folder: where, ...printed } = JSON.parse(again.stdout);
    expect(where).toBe(join("results", run));
    expect(reportSchema.parse(printed)).toEqual(stored(where));
    expect(printed.rows).toHaveLength(120);
    expect(printed.rows.slice(0, before.rows.length)).toEqual(before.rows);
    expect(printed).toMatchObject({ agreement: { length: 2 }, randomisation: { length: 2 * 2 * 3 } });
    expect(again.stdout).not.toContain('"error"');
    expect(readFileSync(join(folder, where, "report.html"), "utf8")).toContain("integrated_gradients:steps=50");
  }, 300_000);

  it("scale prints how the cost grows", async () => {
    const lengths = ["--prompt-tokens", "5", "20", "40", "--output-tokens", "2", "4", "--method", "saliency"];
    const { code, stdout } = await bench(["scale", "--model", model, ...quick, ...lengths, "--output", "scale"]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/\| 40 \+ 4 +\| `saliency`/);
    expect(stdout).toContain("twice the prompt");
    expect(stored("scale")).toMatchObject({ kind: "scale", cells: 6, fits: [{ method: "saliency" }] });
    const other = await bench(["scale", "--model", model, "--resume", "--output", "scale"]);
    expect(other).toMatchObject({ code: 2, stderr: expect.stringContaining("another") });
  });

  it("compare sets runs against the first, in text, as JSON and as a page", async () => {
    const write = (name: string, seconds: number, seed: number) =>
      writeFileSync(join(folder, name), JSON.stringify(report(noisyRows({ lime: seconds }, seed))));
    write("a.json", 3, 1);
    write("b.json", 1.5, 2);
    const { code, stdout } = await bench(["compare", "a.json", "b.json", "--html", "both.html"]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/\| tiny float32 +\| lime +\| attribution +\| 0\.[45]\d* \|.*\| faster +\|/);
    expect(readFileSync(join(folder, "both.html"), "utf8")).toContain("Runs beside one another");
    const { comparisons } = JSON.parse((await bench(["compare", "a.json", "b.json", "--json"])).stdout);
    expect(comparisons[0].methods[0]).toMatchObject({ method: "lime", figure: "seconds", verdict: "less" });
    expect((await bench(["compare", "a.json"])).code).toBe(2);
  });

  it.each([
    [["--method", "salency"], "saliency"],
    [["--method", "occlusion:windw=2"], "window"],
    [["--repeats", "0"], "--repeats"],
    [["--time-limit", "-1"], "--time-limit"],
    [["--dataset", "prompts.doc"], "prompts.doc"],
    [["scale", "--prompt-tokens", "0"], "--prompt-tokens"],
  ])("refuses %j", async (args, what) => {
    const { code, stderr } = await bench(args);
    expect(code).toBe(2);
    expect(stderr).toContain(what);
  });
});
