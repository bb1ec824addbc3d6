import { copyFile, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { expect, it } from "vitest";
import { removeResult } from "../../src/storage/remove.js";
import { load, save } from "../../src/storage/results.js";
import { example } from "../example.js";
import { beside, code, eachFolder, layered } from "./stored.js";

const folder = eachFolder();

it("removes a result and what lies beside it, and nothing else", async () => {
  const [small, large] = [await save(example(["a"], ["b"]), folder()), await save(layered(1), folder())];
  expect(await removeResult(large, { dryRun: true })).toEqual([large, beside(large)]);
  expect(await readdir(folder())).toHaveLength(3);
  expect(await removeResult(large)).toEqual([large, beside(large)]);
  expect(await readdir(folder())).toEqual([basename(small)]);
  expect(await removeResult(small)).toEqual([small]);
  expect(await readdir(folder())).toEqual([]);
});

it("removes a damaged one too", async () => {
  const file = await save(layered(1), folder());
  await writeFile(file, "{");
  expect(await removeResult(file)).toEqual([file, beside(file)]);
});

it("leaves scores that another document has", async () => {
  const file = await save(layered(1), folder());
  const copy = join(folder(), "copy.json");
  await copyFile(file, copy);
  expect(await removeResult(copy)).toEqual([copy]);
  await load(file);
  // But not those of a document that was renamed.
  await rename(file, copy);
  expect(await removeResult(copy)).toEqual([copy, beside(file)]);
});

it("leaves alone what is no result", async () => {
  const file = join(folder(), "package.json");
  await writeFile(join(folder(), "package.safetensors"), "weights");
  for (const text of ["{}", "[", "null"]) {
    await writeFile(file, text);
    await expect(removeResult(file)).rejects.toThrow(code("INPUT"));
  }
  // Nor a file that a result only claims to be its own.
  const result = await save(layered(1), folder());
  await rm(beside(result));
  const text = await readFile(result, "utf8");
  await writeFile(result, text.replaceAll(basename(beside(result)), "package.safetensors"));
  expect(await removeResult(result)).toEqual([result]);
  await expect(removeResult(join(folder(), "none.json"))).rejects.toThrow(code("FILE"));
  expect((await readdir(folder())).sort()).toEqual(["package.json", "package.safetensors"]);
});
