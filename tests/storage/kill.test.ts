import { mkdtemp, readdir, rm, utimes } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { listResults } from "../../src/storage/list.js";
import { load, save } from "../../src/storage/results.js";
import { example } from "../example.js";
import { compiled, runModule } from "../install/processes.js";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tokenlense-"));
});
afterAll(() => rm(folder, { recursive: true }));

/** Stores results of two layers and of none in turns, several at once, until it is killed. */
const saving = () => {
  return `
    import { Attribution } from ${JSON.stringify(compiled("result.js"))};
    import { save } from ${JSON.stringify(compiled("storage/results.js"))};
    const data = ${JSON.stringify({ ...example(["a", "b"], ["c"]) })};
    for (let i = 0; ; i += 4) {
      await Promise.all([0, 1, 2, 3].map((j) => {
        const layers = j % 2 === 0 ? [2] : [];
        const scores = new Float32Array(layers.length > 0 ? 6 : 3).fill(i + j + 1);
        return save(new Attribution({
          ...data, shape: [3, 1, ...layers], dimensions: layers.map(() => "layer"), scores, stepScores: {},
          timestamp: new Date(1743683445678 + 1000 * (i % 20)),
        }), ${JSON.stringify(folder)});
      }));
      if (i === 0) console.log("begun");
    }`;
};

const isTemporary = (name: string) => name.startsWith(".");

it("a process that is killed while it stores results leaves only whole ones, and what it left besides goes later", async () => {
  for (let kill = 0; kill < 14; kill++) {
    const { child, ended } = runModule(saving());
    await Promise.race([new Promise((resolve) => child.stdout?.once("data", resolve)), ended]);
    await sleep(Math.random() * 60);
    child.kill("SIGKILL");
    expect(await ended).toMatchObject({ signal: "SIGKILL", stderr: "" });
  }
  const left = await readdir(folder);
  const { results, damaged } = await listResults(folder);
  expect(damaged).toEqual([]);
  expect(results.length).toBeGreaterThan(50);
  for (const { file } of results) {
    const { scores } = await load(file);
    expect(new Set(scores).size).toBe(1); // its own, not another's
  }
  expect(results).toHaveLength(left.filter((name) => name.endsWith(".json")).length);
  expect(left.filter(isTemporary).length).toBeGreaterThan(0); // else no kill came in the middle

  const old = new Date(Date.now() - 2 * 60 * 60 * 1000);
  for (const name of left.filter(isTemporary)) await utimes(join(folder, name), old, old);
  const last = await save(example(["z"], ["!"]), folder);
  const documents = [...results.map(({ file }) => file), last];
  const loaded = await Promise.all(documents.map((file) => load(file)));
  const expected = documents.flatMap((file, i) =>
    loaded[i]?.dimensions.length ? [file, file.replace(/json$/, "safetensors")] : [file],
  );
  expect((await readdir(folder)).sort()).toEqual(expected.map((file) => basename(file)).sort());
});
