import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { load, save } from "../../src/storage/results.js";
import { example } from "../example.js";
import { temporaryFolder } from "../tiny-model.js";
import { tokenlense } from "./command.js";

const folder = temporaryFolder();
const result = example(["The", " sky"], [" is", " blue"]);
const convert = (...args: string[]) => tokenlense(["convert", ...args], { cwd: folder });
const storedIn = (stdout: string) => /^Stored in (.+)$/m.exec(stdout)?.[1] as string;

describe("convert", () => {
  it("turns a result into an Inseq file, and that into a result", async () => {
    const native = await save(result, join(folder, "native"));
    const there = await convert(native);
    expect({ code: there.code, stderr: there.stderr }).toEqual({ code: 0, stderr: "" });
    const file = storedIn(there.stdout);
    expect(file).toBe(join(folder, "results/20250403_123045_tiny-model_The_sky_inseq.json"));
    expect(JSON.parse(readFileSync(file, "utf8"))).toHaveProperty("__instance_type__");
    const back = await convert(file, "--output", "back", "--json");
    const { files, ...formats } = JSON.parse(back.stdout);
    expect(formats).toEqual({ from: "inseq", to: "native" });
    expect(readFileSync(files[0])).toEqual(readFileSync(native));
  });

  it("stores each sequence of a file, compressed or where the Analyzer looks", async () => {
    const document = JSON.parse(readFileSync(await save(result, folder, { format: "inseq" }), "utf8"));
    document.attributes.sequence_attributions.push(document.attributes.sequence_attributions[0]);
    writeFileSync(join(folder, "two.json"), JSON.stringify(document));
    const flags = ["two.json", "--to", "inseq", "--json"];
    const compressed = JSON.parse((await convert(...flags, "--compress")).stdout);
    expect(compressed.files).toHaveLength(2);
    for (const file of compressed.files) {
      expect(file).toMatch(/_inseq\.json\.gz$/);
      expect((await load(file)).scores).toEqual(result.scores);
    }
    const placed = JSON.parse((await convert(...flags, "--layout", "analyzer", "--output", "site")).stdout);
    expect(readdirSync(join(folder, "site/data/tiny-model/method_saliency/data"))).toHaveLength(placed.files.length);
  });

  it("says what is wrong, and stores nothing", async () => {
    const native = await save(result, join(folder, "native"));
    writeFileSync(join(folder, "cut.json"), readFileSync(native).subarray(0, 100));
    for (const [args, code, words] of [
      [["missing.json"], 1, "ERR_TOKENLENSE_FILE"],
      [["cut.json"], 1, "ERR_TOKENLENSE_FORMAT"],
      [[native, "--to", "native", "--compress"], 2, "--to inseq"],
      [[native, "--compress", "--layout", "analyzer"], 2, "Analyzer"],
      [[native, "--to", "csv"], 2, "native, inseq"],
    ] as const) {
      const outcome = await convert(...args, "--output", "nothing");
      expect(outcome.code).toBe(code);
      expect(outcome.stderr).toContain(words);
    }
    expect(readdirSync(folder)).not.toContain("nothing");
    const { stdout } = await convert("cut.json", "--json");
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: "ERR_TOKENLENSE_FORMAT" } });
  });

  it("has an example and the exit codes in its help", async () => {
    const { stdout } = await convert("--help");
    expect(stdout).toContain("Example: tokenlense convert");
    expect(stdout).toContain("Exit codes");
  });
});
