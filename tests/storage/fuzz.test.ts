import { copyFile, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { TokenlenseError } from "../../src/errors.js";
import { listResults } from "../../src/storage/list.js";
import { load, save } from "../../src/storage/results.js";
import { example } from "../example.js";

let folder: string;
let plain: string;
let layered: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tokenlense-"));
  const changes = { convergenceDeltas: Float32Array.of(0.5, -0), pathSteps: Int32Array.of(20, 50) };
  plain = await save(example(["The \0", " capitäl 🙂"], [" is", "\ud800"], undefined, changes), folder);
  const scores = Float32Array.from({ length: 12 }, (_, i) => i / 7);
  layered = await save(
    example(["a"], ["b", "c"], undefined, { shape: [3, 2, 2], dimensions: ["head"], scores }),
    folder,
  );
});
afterAll(() => rm(folder, { recursive: true }));

const beside = (file: string) => file.replace(/json$/, "safetensors");

/** Cut short, or with one byte changed: `at` is a share of the length. */
interface Damage {
  at: number;
  flip: number | null;
}

const damage: fc.Arbitrary<Damage> = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
  flip: fc.option(fc.integer({ min: 1, max: 255 })),
});

function damaged(bytes: Buffer, { at, flip }: Damage): Buffer {
  const place = Math.floor(at * bytes.length);
  if (flip === null) return bytes.subarray(0, place);
  const changed = Buffer.from(bytes);
  changed[place] = (changed[place] as number) ^ flip;
  return changed;
}

/** Whether it loads; then all of it can be used. Throws whatever is not a typed error. */
async function loads(file: string): Promise<boolean> {
  try {
    const result = await load(file);
    JSON.stringify(result);
    result.aggregate("subwords");
    return true;
  } catch (error) {
    if (error instanceof TokenlenseError && error.code !== "ERR_TOKENLENSE_NATIVE") return false;
    throw error;
  }
}

describe("10,000 damaged files load or give a typed error", () => {
  it.each([
    ["a document", 4000, () => plain],
    ["a document with scores beside it", 4000, () => layered],
  ] as const)("%s", async (_, numRuns, source) => {
    const bytes = await readFile(source());
    const target = source().replace(".json", "-damaged.json");
    const outcomes = { true: 0, false: 0 };
    await fc.assert(
      fc.asyncProperty(damage, async (how) => {
        await writeFile(target, damaged(bytes, how));
        outcomes[`${await loads(target)}`]++;
      }),
      { numRuns },
    );
    await rm(target);
    expect(outcomes.false).toBeGreaterThan(numRuns / 2); // all that is cut short, and most of the others
    expect(outcomes.true).toBeGreaterThan(0); // a changed letter of the prompt
  });

  it("scores beside a document: never loaded", async () => {
    const bytes = await readFile(beside(layered));
    await fc.assert(
      fc.asyncProperty(damage, async (how) => {
        await writeFile(beside(layered), damaged(bytes, how));
        expect(await loads(layered)).toBe(false);
      }),
      { numRuns: 2000 },
    );
    await writeFile(beside(layered), bytes);
    expect(await loads(layered)).toBe(true);
  });
});

it("a folder of damaged files is listed all the same, each by its name", async () => {
  const inner = await mkdtemp(join(folder, "list-"));
  const bytes = await readFile(plain);
  const names = fc.sample(damage, 300).map((how, i) => ({ how, name: `${basename(plain, ".json")}-${i + 2}.json` }));
  for (const { how, name } of names) await writeFile(join(inner, name), damaged(bytes, how));
  await copyFile(plain, join(inner, basename(plain)));
  const { results, damaged: broken } = await listResults(inner);
  expect([...results, ...broken].map(({ file }) => basename(file)).sort()).toEqual((await readdir(inner)).sort());
  expect(results.map(({ file }) => basename(file))).toContain(basename(plain));
  expect(broken.length).toBeGreaterThan(100);
});
