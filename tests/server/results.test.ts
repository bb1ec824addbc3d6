import { rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { describe, expect, it } from "vitest";
import { comparisonSchema } from "../../src/server/results/schemas.js";
import { load, save } from "../../src/storage/results.js";
import { example } from "../example.js";
import { layered } from "../storage/stored.js";
import { errorCode, json, resultsFolder, server } from "./running.js";

interface Listed {
  items: { id: string; prompt: string }[];
  total: number;
  damaged: object[];
}

const day = (number: number) => ({ timestamp: new Date(Date.UTC(2025, 0, number)) });

describe("results", () => {
  it("are listed by page, the newest first, and filtered", async () => {
    const folder = resultsFolder();
    for (let i = 1; i <= 5; i++) await save(example([`p${i}`], [" x"], undefined, day(i)), folder);
    await save(example(["other"], [" x"], undefined, { ...day(9), method: "lime" }), folder, { format: "inseq" });
    const running = await server({ folder });
    const second = await json<Listed>(running, "/results?page=2&pageSize=2&method=saliency");
    expect(second.items.map(({ prompt }) => prompt)).toEqual(["p3", "p2"]);
    expect(second).toMatchObject({ total: 5, page: 2, pageSize: 2, damaged: [] });
    expect((await json<Listed>(running, "/results?text=OTHER&model=TINY")).items).toEqual([
      {
        ...{ id: expect.stringMatching(/^20250109_.*_inseq\.json$/), format: "inseq", sequences: 1 },
        ...{
          model: "org/tiny-model",
          method: "lime",
          step: "probability",
          prompt: "other",
          promptLength: 1,
          outputs: 1,
        },
        ...{ timestamp: "2025-01-09T00:00:00.000Z", seconds: 0.25 },
      },
    ]);
    expect((await json<Listed>(running, "/results?page=4")).items).toEqual([]);
  });

  it("come and go as files do", async () => {
    const folder = resultsFolder();
    const running = await server({ folder });
    expect((await json<Listed>(running, "/results")).total).toBe(0);
    const file = await save(example(["a"], [" b"]), folder);
    await expect.poll(async () => (await json<Listed>(running, "/results")).total).toBe(1);
    await rm(file);
    await expect.poll(async () => (await json<Listed>(running, "/results")).total).toBe(0);
  });

  it("are given as documents, and their scores as safetensors", async () => {
    const folder = resultsFolder();
    const result = layered(1, 2, 3, 4);
    const native = basename(await save(result, folder));
    const inseq = basename(await save(example(["a", " c"], [" b"]), folder, { format: "inseq", compress: true }));
    const running = await server({ folder });
    expect(await json(running, `/results/${native}`)).toMatchObject({ metadata: { llm_id: "org/tiny-model" } });
    expect(await json(running, `/results/${inseq}`)).toEqual(
      JSON.parse(JSON.stringify((await load(join(folder, inseq))).toJSON())),
    );
    await json(running, `/results/${inseq}?sequence=1`, 400);
    const answer = await running.app.inject(`/results/${native}/scores`);
    const header = answer.rawPayload.subarray(8, 8 + Number(answer.rawPayload.readBigUInt64LE(0)));
    expect(JSON.parse(header.toString()).scores).toMatchObject({ dtype: "F32", shape: [2, 1, 2] });
    const values = answer.rawPayload.subarray(8 + header.length);
    expect([0, 4, 8, 12].map((at) => values.readFloatLE(at))).toEqual([1, 2, 3, 4]);
  });

  it("that are damaged are named with what is wrong, without the folder's path", async () => {
    const folder = resultsFolder();
    await writeFile(join(folder, "20250101_000000_m_p.json"), "{");
    await writeFile(join(folder, "settings.json"), '{"not": "ours"}');
    const running = await server({ folder });
    const { damaged, total } = await json<Listed>(running, "/results");
    expect(total).toBe(0);
    expect(damaged).toEqual([
      { id: "20250101_000000_m_p.json", code: "ERR_TOKENLENSE_FORMAT", message: expect.not.stringContaining(folder) },
    ]);
    expect(await json(running, "/results/20250101_000000_m_p.json", 422)).toEqual(errorCode("FORMAT"));
    expect(await json(running, "/results/settings.json", 404)).toEqual(errorCode("NOT_FOUND"));
  });

  it("are compared", async () => {
    const folder = resultsFolder();
    const prompt = ["a", " b", " c", " d"];
    const ids = [
      await save(example(prompt, [" e"]), folder),
      await save(
        example(prompt, [" e"], (position) => -position),
        folder,
      ),
    ].map((file) => `id=${basename(file)}`);
    const running = await server({ folder });
    const answer = await json(running, `/results/compare?${ids.join("&")}&topK=2`);
    expect(comparisonSchema.parse(answer)).toEqual(answer);
    expect(answer).toMatchObject({
      results: [{ prompt: "a b c d" }, { prompt: "a b c d" }],
      pairs: [
        { results: [0, 1], topK: 2, pearson: expect.closeTo(-1, 6), spearman: expect.closeTo(-1, 6), topOverlap: 1 },
      ],
    });
    await json(running, `/results/compare?${ids[0]}`, 400);
    await json(running, `/results/compare?${ids[0]}&id=none.json`, 404);
  });
});
