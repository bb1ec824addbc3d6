import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { load, save } from "../../src/storage/results.js";
import { example } from "../example.js";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tokenlense-"));
});
afterEach(() => rm(folder, { recursive: true }));

const code = (name: string) => expect.objectContaining({ code: `ERR_TOKENLENSE_${name}` });

describe("save", () => {
  it("makes the folder, names the file by time, model and prompt, and leaves nothing else", async () => {
    const file = await save(example(["The capital", " of France"], [" is"]), join(folder, "deep", "results"));
    expect(basename(file)).toBe("20250403_123045_tiny-model_The_capital_of_France.json");
    expect(await readdir(join(folder, "deep", "results"))).toEqual([basename(file)]);
  });

  it("never writes over another result", async () => {
    const result = example(["same"], [" prompt"]);
    const files = await Promise.all([save(result, folder), save(result, folder), save(result, folder)]);
    expect(new Set(files).size).toBe(3);
    expect(await readdir(folder)).toHaveLength(3);
  });

  it("makes names that every file system takes", async () => {
    for (const prompt of [
      "../../etc/passwd",
      "a:b*c?d|e\u0000",
      "日本語",
      "  ",
      "CON.",
      "x".repeat(500),
      "é\u0301🙂",
      "...",
    ]) {
      const file = await save(
        example([prompt], ["!"], undefined, { modelName: "C:\\models\\..\\my model?.gguf" }),
        folder,
      );
      expect(basename(file)).toMatch(/^20250403_123045_my_model_.gguf_[A-Za-z0-9][A-Za-z0-9._-]{0,60}\.json$/);
      expect(basename(file)).not.toContain("..");
    }
  });

  it("says that it could not be stored, and where", async () => {
    const taken = join(folder, "taken");
    await writeFile(taken, "");
    await expect(save(example(["a"], ["b"]), taken)).rejects.toThrow(code("DISK"));
    expect(await readFile(taken, "utf8")).toBe("");
  });
});

describe("load", () => {
  it("reads what TokenLense writes: any version, no zone, short rows, none of our additions", async () => {
    const file = join(folder, "theirs.json");
    const token = (text: string, id: number) => ({ token: text, token_id: id, clean_token: text.replace("Ġ", "") });
    const theirs = (version: string) => ({
      metadata: {
        timestamp: "2025-04-03T12:30:45.678901",
        llm_id: "meta-llama/Llama-3.2-1B",
        llm_version: "Llama-3.2-1B",
        prompt: "Hi there",
        generation_params: { max_new_tokens: 2 },
        version,
        attribution_method: null,
      },
      data: {
        input_tokens: [token("Hi", 5), token("Ġthere", 6)],
        output_tokens: [token("Ġyou", 7), token("Ċ", 8)],
        association_matrix: [
          [1, 2],
          [3, 4, 5],
        ],
        normalized_association: null,
        attribution_source: "target",
        raw_dimensions: null,
      },
    });
    for (const version of ["1.0.0", "1.0.1", "1.1.0"]) {
      await writeFile(file, JSON.stringify(theirs(version)));
      const result = await load(file);
      expect([...result.scores]).toEqual([1, 3, 2, 4, 0, 5, 0, 0]);
      expect(result.timestamp.toISOString()).toBe("2025-04-03T12:30:45.678Z");
      expect(result).toMatchObject({ method: "unknown", target: "Hi there you\n", promptLength: 2, outputs: 2 });
      expect(result.tokens.map(({ start, end }) => result.target.slice(start, end))).toEqual([
        "Hi",
        " there",
        " you",
        "\n",
      ]);
      expect(result.step).toBeUndefined();
      expect(result.generation).toEqual({ maxNewTokens: 2 });
    }
    // As 1.0.0 and 1.0.1 wrote it: without what 1.1.0 added, and with the version left out, which was 1.0.0 by default.
    for (const version of ["1.0.0", "1.0.1", undefined]) {
      const { metadata, data } = theirs(version as string);
      const { attribution_method: _, ...older } = metadata;
      const { attribution_source: __, raw_dimensions: ___, ...matrices } = data;
      await writeFile(file, JSON.stringify({ metadata: older, data: matrices }));
      const result = await load(file);
      expect([...result.scores]).toEqual([1, 3, 2, 4, 0, 5, 0, 0]);
      expect(result).toMatchObject({ method: "unknown", modelName: "meta-llama/Llama-3.2-1B", prompt: "Hi there" });
      // What is written of it is the current version, and loads.
      const current = JSON.parse(await readFile(await save(result, join(folder, "current")), "utf8"));
      expect(current).toMatchObject({
        metadata: { version: "1.1.0", attribution_method: "unknown" },
        data: { attribution_source: "combined", raw_dimensions: [4, 2] },
      });
    }
    await writeFile(file, JSON.stringify(theirs("2.0.0")));
    await expect(load(file)).rejects.toThrow(code("FORMAT"));
  });

  it("tells a missing file from a damaged one, and names it", async () => {
    await expect(load(join(folder, "none.json"))).rejects.toThrow(code("FILE"));
    const file = await save(example(["a", "b"], ["c"]), folder);
    const whole = await readFile(file, "utf8");
    for (let length = 0; length < whole.length - 1; length += 7) {
      await writeFile(file, whole.slice(0, length));
      await expect(load(file)).rejects.toThrow(code("FORMAT"));
    }
    // A character that UTF-8 does not have, not one in its place.
    await writeFile(file, Buffer.from(whole.replace('"prompt":"a', '"prompt":"\xff'), "latin1"));
    await expect(load(file)).rejects.toThrow(code("FORMAT"));
    for (const [from, to] of [
      ['"association_matrix":[[', '"association_matrix":[[1,2,3,4,'],
      ['"association_matrix":[', '"association_matrix":[[1],[2],'],
      ['"probability":[', '"probability":[1,2,3,'],
      ['"timestamp":"2025', '"timestamp":"never'],
    ] as const) {
      await writeFile(file, whole.replace(from, to));
      await expect(load(file), from).rejects.toThrow(code("FORMAT"));
      await expect(load(file)).rejects.toThrow(basename(file));
    }
  });
});
