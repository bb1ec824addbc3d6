import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import type { Assembled } from "../../src/server/server.js";
import { load, save } from "../../src/storage/results.js";
import { example } from "../example.js";
import { beside, layered } from "../storage/stored.js";
import { errorCode, json, resultsFolder, server } from "./running.js";

const result = () => example(["The", " capital"], [" is", " Paris"]);
const names = (folder: string) => readdirSync(folder).filter((name) => !name.startsWith("."));
const bring = ({ app }: Assembled, payload: string | Buffer, type = "application/json", name = "theirs.json") =>
  app.inject({ method: "POST", url: `/results?name=${name}`, payload, headers: { "content-type": type } });

/** What Inseq's file of a result is, as a server gives it. */
async function inseqOf(assembled: Assembled, id: string): Promise<string> {
  const { statusCode, headers, body } = await assembled.app.inject(`/results/${id}/inseq`);
  expect(statusCode).toBe(200);
  expect(headers["content-disposition"]).toBe(
    'attachment; filename="20250403_123045_tiny-model_The_capital_inseq.json"',
  );
  return body;
}

describe("a result that is brought", () => {
  it("is stored, of the native schema", async () => {
    const folder = resultsFolder();
    const assembled = await server({ folder });
    expect((await json<{ total: number }>(assembled, "/results")).total).toBe(0);
    const answer = await bring(assembled, JSON.stringify(result()));
    expect([answer.statusCode, answer.json()]).toEqual([201, { ids: ["20250403_123045_tiny-model_The_capital.json"] }]);
    using stored = await load(join(folder, answer.json().ids[0]));
    expect([...stored.scores]).toEqual([...result().scores]);
    // Never over another.
    expect((await bring(assembled, JSON.stringify(result()))).json().ids[0]).toMatch(/-2\.json$/);
    expect((await json<{ total: number }>(assembled, "/results")).total).toBe(2);
  });

  it.each([
    ["as it is", (text: string) => text, "application/json"],
    ["compressed", (text: string) => gzipSync(text), "application/gzip"],
    ["of a type that is not told", (text: string) => Buffer.from(text), "application/octet-stream"],
  ])("is stored, of Inseq's format, %s", async (_, pack, type) => {
    const [folder, other] = [resultsFolder(), resultsFolder()];
    const id = (await save(result(), other)).slice(other.length + 1);
    const theirs = await inseqOf(await server({ folder: other }), id);
    // Python writes what JSON does not have.
    const text = theirs.replace("{", '{"odd": NaN,');
    const answer = await bring(await server({ folder }), pack(text), type);
    expect(answer.statusCode).toBe(201);
    using stored = await load(join(folder, answer.json().ids[0]));
    expect([...stored.scores]).toEqual([...result().scores]);
  });

  it("is refused where it is none, with nothing stored and nothing said of the server's folders", async () => {
    const folder = resultsFolder();
    const assembled = await server({ folder, limits: { upload: 100_000 } });
    const other = resultsFolder();
    await save(layered(1, 2, 3, 4), other);
    const [lacking] = names(other).filter((name) => name.endsWith(".json"));
    const { metadata, data, tokenlense_native: ours } = result().toJSON();
    const scores = { file: "x.safetensors", bytes: 1, sha256: "0".repeat(64), dimensions: [] };
    for (const [payload, status, code, type] of [
      ["", 422, "FORMAT", undefined],
      ["no JSON", 422, "FORMAT", undefined],
      ["{}", 422, "FORMAT", undefined],
      [JSON.stringify({ metadata, data: { ...data, output_tokens: [] } }), 422, "FORMAT", undefined],
      [JSON.stringify({ metadata, data, tokenlense_native: { ...ours, scores } }), 422, "FORMAT", undefined],
      [gzipSync("no JSON").subarray(0, 12), 422, "FORMAT", "application/gzip"],
      [gzipSync(" ".repeat(1_000_000)), 422, "FORMAT", "application/gzip"],
      [" ".repeat(100_001), 413, "INPUT", undefined],
      ["x", 415, "INPUT", "text/csv"],
    ] as const) {
      const answer = await bring(assembled, payload, type, lacking);
      expect([answer.statusCode, answer.json()]).toEqual([status, errorCode(code)]);
      expect(answer.body).not.toContain(folder);
    }
    expect((await assembled.app.inject({ method: "POST", url: "/results" })).statusCode).toBe(422);
    expect(names(folder)).toEqual([]);
  });
});

describe("a result that is taken away", () => {
  it("goes with the scores beside it, and is found no more", async () => {
    const folder = resultsFolder();
    const kept = await save(result(), folder);
    const gone = await save(layered(1, 2, 3, 4), folder);
    const assembled = await server({ folder });
    const id = gone.slice(folder.length + 1);
    const remove = () => assembled.app.inject({ method: "DELETE", url: `/results/${id}` });
    const answer = await remove();
    expect([answer.statusCode, answer.json()]).toEqual([200, { ids: [id, beside(id)] }]);
    expect([existsSync(kept), existsSync(gone), existsSync(beside(gone))]).toEqual([true, false, false]);
    expect((await json<{ total: number }>(assembled, "/results")).total).toBe(1);
    const again = await remove();
    expect([again.statusCode, again.json()]).toEqual([404, errorCode("NOT_FOUND")]);
  });

  it("may be damaged, and lies in the folder", async () => {
    const folder = resultsFolder();
    writeFileSync(join(folder, "20250101_000000_a_b.json"), '{"metadata": {');
    writeFileSync(join(folder, "other.json"), '{"a": 1}');
    const assembled = await server({ folder });
    const remove = async (id: string) =>
      (await assembled.app.inject({ method: "DELETE", url: `/results/${encodeURIComponent(id)}` })).statusCode;
    for (const id of ["../secret.json", "other.json", "/etc/passwd", ".jobs"]) expect(await remove(id)).toBe(404);
    expect(await remove("20250101_000000_a_b.json")).toBe(200);
    expect(names(folder)).toEqual(["other.json"]);
  });
});

describe("of a result", () => {
  it("a list's line and one score for each token are to be had alone", async () => {
    const folder = resultsFolder();
    const id = (await save(layered(1, 2, 3, 4), folder)).slice(folder.length + 1);
    const assembled = await server({ folder });
    const { items, facets } = await json<{ items: unknown[]; facets: unknown }>(assembled, "/results");
    expect(await json(assembled, `/results/${id}/summary`)).toEqual(items[0]);
    expect(facets).toEqual({
      models: [{ name: "org/tiny-model", results: 1 }],
      methods: [{ name: "saliency", results: 1 }],
    });
    const { rawPayload } = await assembled.app.inject(`/results/${id}/scores?merged=true`);
    const header = Number(rawPayload.readBigUInt64LE());
    expect(JSON.parse(rawPayload.subarray(8, 8 + header).toString()).scores.shape).toEqual([2, 1]);
    const { tokenScores } = layered(1, 2, 3, 4);
    expect([...new Float32Array(rawPayload.buffer.slice(rawPayload.byteOffset + 8 + header))].slice(0, 2)).toEqual([
      ...tokenScores,
    ]);
  });

  it("the date narrows a list", async () => {
    const folder = resultsFolder();
    await save(result(), folder);
    const assembled = await server({ folder });
    for (const [query, total] of [
      ["since=2025-04-03T00:00:00Z", 1],
      ["since=2025-04-03T14:30:00%2B02:00", 1],
      ["since=2025-04-04T00:00:00Z", 0],
      ["until=2025-04-03T00:00:00Z", 0],
    ] as const)
      expect([query, (await json<{ total: number }>(assembled, `/results?${query}`)).total]).toEqual([query, total]);
    await json(assembled, "/results?since=yesterday", 400);
  });
});
