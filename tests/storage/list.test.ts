import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Attribution } from "../../src/result.js";
import { listResults } from "../../src/storage/list.js";
import { removeResult } from "../../src/storage/remove.js";
import { save } from "../../src/storage/results.js";
import { example } from "../example.js";
import { beside, code, eachFolder, layered } from "./stored.js";

const folder = eachFolder();

const { shape, dimensions, scores } = layered(1);
const layers = { shape, dimensions, scores };

const stored = (day: number, changes: Parameters<typeof example>[3] = {}) =>
  save(example(["a"], ["b"], undefined, { timestamp: new Date(Date.UTC(2025, 3, day, 12)), ...changes }), folder());

const pick = ({ modelName, method, step, prompt, promptLength, outputs, timestamp }: Attribution) => ({
  ...{ modelName, method, step, prompt, promptLength, outputs, timestamp },
});

describe("listResults", () => {
  it("has the newest first, by what the documents say and not the files' names", async () => {
    const files = [await stored(2), await stored(3), await stored(1, layers)];
    await rename(files[0] as string, join(folder(), "zebra.json"));
    const { results, damaged } = await listResults(folder());
    expect(results.map(({ file }) => file)).toEqual([files[1], join(folder(), "zebra.json"), files[2]]);
    expect(results[2]).toEqual({
      file: files[2],
      modelName: "org/tiny-model",
      method: "saliency",
      step: "probability",
      prompt: "a",
      promptLength: 1,
      outputs: 1,
      timestamp: new Date("2025-04-01T12:00:00Z"),
    });
    expect(damaged).toEqual([]);
  });

  it("finds by model, method, date and text of the prompt", async () => {
    const names = ["one", "two", "three"];
    const days = [1, 2, 3];
    await stored(1, { modelName: "org/Alpha", method: "saliency", prompt: "Is Paris in France?" });
    await stored(2, { modelName: "org/beta", method: "layer_saliency", prompt: "ΣΊΣΥΦΟΣ \0 \ud800" });
    await stored(3, { modelName: "alpha-2", method: "saliency", prompt: "And Rome?" });
    const found = async (query: Parameters<typeof listResults>[1]) => {
      const { results } = await listResults(folder(), query);
      return results.map(({ timestamp }) => names[days.indexOf(timestamp.getUTCDate())]);
    };
    expect(await found({})).toEqual(["three", "two", "one"]);
    expect(await found({ model: "ALPHA" })).toEqual(["three", "one"]);
    expect(await found({ method: "saliency" })).toEqual(["three", "one"]);
    expect(await found({ text: "paris" })).toEqual(["one"]);
    expect(await found({ text: "σίσυφοσ \0 \ud800" })).toEqual(["two"]);
    const noon = new Date("2025-04-02T12:00:00Z");
    expect(await found({ since: noon })).toEqual(["three", "two"]);
    expect(await found({ until: noon })).toEqual(["two", "one"]);
    expect(await found({ since: new Date(noon.getTime() + 1) })).toEqual(["three"]);
    expect(await found({ model: "alpha", until: noon })).toEqual(["one"]);
    expect(await found({ model: "gamma" })).toEqual([]);
  });

  it("names what is damaged, whatever was asked for, and lists the others", async () => {
    const whole = await stored(5);
    const [cut, missing, short, wrong, empty] = [
      await stored(1),
      await stored(2, layers),
      await stored(3, layers),
      await stored(4),
      await stored(6),
    ];
    await writeFile(cut, (await readFile(cut)).subarray(0, 500));
    await rm(beside(missing));
    await writeFile(beside(short), (await readFile(beside(short))).subarray(0, -4));
    await writeFile(
      wrong,
      (await readFile(wrong, "utf8")).replace('"association_matrix":[[', '"association_matrix":[[1,2,3,'),
    );
    await writeFile(empty, "{}");
    await writeFile(join(folder(), "renamed.json"), "[");
    await writeFile(join(folder(), "renamed_inseq.json.gz"), "\x1f\x8b");
    await mkdir(join(folder(), "folder.json"));
    const { results, damaged } = await listResults(folder(), { method: "saliency", text: "a" });
    expect(results.map(({ file }) => file)).toEqual([whole]);
    const found = Object.fromEntries(damaged.map(({ file, error }) => [basename(file), error]));
    expect(found).toEqual({
      [basename(cut)]: code("FORMAT"),
      [basename(missing)]: code("FILE"),
      [basename(short)]: code("FORMAT"),
      [basename(wrong)]: code("FORMAT"),
      [basename(empty)]: code("FORMAT"),
      "renamed.json": code("FORMAT"),
      "renamed_inseq.json.gz": code("FORMAT"),
      "folder.json": code("FILE"),
    });
    for (const [name, error] of Object.entries(found)) expect(error.message).toContain(name);
  });

  it("has Inseq's files among them, compressed or not, under any name", async () => {
    const result = example(["a"], ["b"], undefined, { timestamp: new Date("2025-04-02T12:00:00Z") });
    const files = [
      await save(result, folder()),
      await save(result, folder(), { format: "inseq", compress: true }),
      join(folder(), "renamed.json"),
    ];
    await rename(await save(result, folder(), { format: "inseq" }), files[2] as string);
    const { results, damaged } = await listResults(folder());
    expect(damaged).toEqual([]);
    expect(results.map(({ file }) => file)).toEqual(files.toSorted());
    for (const { file: _, ...found } of results) expect(found).toEqual(pick(result));
    for (const file of files) expect(await removeResult(file)).toEqual([file]);
  });

  it("passes over temporary files, scores, other programs' JSON and folders", async () => {
    await writeFile(join(folder(), "package.json"), '{"name":"x"}');
    await writeFile(join(folder(), "list.json"), "[1]");
    await writeFile(join(folder(), ".hidden.json"), "[");
    await writeFile(join(folder(), "notes.txt"), "");
    await writeFile(join(folder(), "model.safetensors"), "");
    await mkdir(join(folder(), "deeper"));
    await writeFile(join(folder(), "deeper", "x.json"), "[");
    expect(await listResults(folder())).toEqual({ results: [], damaged: [] });
  });

  it("says how far it is, stops when told to, and names a folder that is not there", async () => {
    for (let day = 1; day <= 4; day++) await stored(day);
    const steps: unknown[] = [];
    await listResults(folder(), { onProgress: (step) => steps.push(step) });
    expect(steps).toEqual([0, 1, 2, 3].map((done) => ({ phase: "list", done, total: 4 })));
    const controller = new AbortController();
    const onProgress = ({ done }: { done: number }) => done === 2 && controller.abort();
    await expect(
      listResults(folder(), { signal: controller.signal, onProgress: (step) => void onProgress(step) }),
    ).rejects.toThrow(code("CANCELLED"));
    await expect(listResults(join(folder(), "none"))).rejects.toThrow(code("FILE"));
  });

  it("keeps no scores of large results", async () => {
    const side = 240;
    const [file] = [await save(example(Array(side).fill("p"), Array(side / 2).fill("o")), folder())];
    const text = await readFile(file);
    for (let copy = 2; copy <= 20; copy++) await writeFile(file.replace(".json", `-${copy}.json`), text);
    const { results } = await listResults(folder());
    expect(results).toHaveLength(20);
    expect(Buffer.byteLength(JSON.stringify(results))).toBeLessThan(20 * 1000);
  });
});
