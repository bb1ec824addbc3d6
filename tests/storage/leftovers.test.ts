import { link, readdir, rename, rm, utimes, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { expect, it } from "vitest";
import { removeLeftovers } from "../../src/storage/leftovers.js";
import { load, save } from "../../src/storage/results.js";
import { example } from "../example.js";
import { beside, eachFolder, layered } from "./stored.js";

const folder = eachFolder();

const temporary = (last: number, suffix: string) => `.01234567-89ab-cdef-0123-45678901234${last}${suffix}.tmp`;

async function age(...names: string[]): Promise<void> {
  const old = new Date(Date.now() - 61 * 60 * 1000);
  for (const name of names) await utimes(join(folder(), name), old, old);
}

it("the first save in a folder removes temporary files an hour old, and no others", async () => {
  const [document, scores, young] = [temporary(1, ".json"), temporary(2, ".safetensors"), temporary(3, ".json")];
  for (const name of [document, scores, young, "important.tmp", ".notes.tmp"])
    await writeFile(join(folder(), name), "x");
  await age(document, scores, "important.tmp", ".notes.tmp");
  const file = await save(example(["a"], ["b"]), folder());
  expect((await readdir(folder())).sort()).toEqual([".notes.tmp", young, basename(file), "important.tmp"].sort());
});

it("scores whose document was never published go with the temporary files that say so", async () => {
  const [file, other] = [await save(layered(1), folder()), await save(layered(1), folder())];
  // As a kill between the two names leaves it.
  await link(beside(file), join(folder(), temporary(1, ".safetensors")));
  await rename(file, join(folder(), temporary(1, ".json")));
  await age(temporary(1, ".json"), temporary(1, ".safetensors"));
  await removeLeftovers(folder());
  expect((await readdir(folder())).sort()).toEqual([other, beside(other)].map((path) => basename(path)).sort());
});

it("scores stay whose document was published, whatever it is called since, or that are another result's", async () => {
  const [file, other] = [await save(layered(1), folder()), await save(layered(1), folder())];
  // As a kill after both names leaves it.
  await link(beside(file), join(folder(), temporary(1, ".safetensors")));
  await link(file, join(folder(), temporary(1, ".json")));
  const renamed = join(folder(), "renamed.json");
  await rename(file, renamed);
  // Of a document that was removed, when another took its name.
  await link(other, join(folder(), temporary(2, ".json")));
  await rm(other);
  await writeFile(join(folder(), temporary(2, ".safetensors")), "x");
  await age(...(await readdir(folder())).filter((name) => name.endsWith(".tmp")));
  await removeLeftovers(folder());
  expect((await readdir(folder())).sort()).toEqual(
    ["renamed.json", ...[file, other].map(beside).map((path) => basename(path))].sort(),
  );
  await load(renamed);
});
