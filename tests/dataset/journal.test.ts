import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Journal } from "../../src/dataset/journal.js";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tokenlense-"));
});
afterEach(() => rm(folder, { recursive: true }));

const prompts = ["a", "b", "c"].map((prompt, index) => ({ index, line: index + 2, prompt }));
const [first, second, third] = prompts as [(typeof prompts)[0], (typeof prompts)[0], (typeof prompts)[0]];
const failure = { code: "ERR_TOKENLENSE_PROMPT", message: "The prompt is empty." };
const put = (...names: string[]) => Promise.all(names.map((name) => writeFile(join(folder, name), name)));
const others = async () => (await readdir(folder)).filter((name) => name !== "journal.jsonl").sort();

async function reopened<T>(look: (journal: Journal) => T | Promise<T>): Promise<T> {
  const journal = await Journal.open(folder);
  try {
    return await look(journal);
  } finally {
    await journal.close();
  }
}

describe("Journal", () => {
  it("knows what became of each prompt, also when it is opened again", async () => {
    await put("x.json");
    await reopened(async (journal) => {
      await journal.failed(third, failure);
      await journal.failed(first, failure);
      await journal.storing(first, "x");
      await journal.stored(first, "x.json");
    });
    await reopened((journal) => {
      expect(prompts.map((prompt) => journal.has(prompt))).toEqual([true, false, false]);
      expect(prompts.map((prompt) => journal.hasFailed(prompt))).toEqual([false, false, true]);
      expect(journal.summary(3)).toEqual({ stored: 1, failures: [{ index: 2, line: 4, error: failure }] });
      expect(journal.summary(2)).toEqual({ stored: 1, failures: [] });
      expect(() => journal.has({ ...first, prompt: "another" })).toThrow(/prompt 0 is not the one that was run/);
    });
  });

  it("goes on from any byte at which it was cut short", async () => {
    await put("x.json", "y.json");
    await reopened(async (journal) => {
      await journal.storing(first, "x");
      await journal.stored(first, "x.json");
      await journal.failed(third, failure);
      await journal.storing(second, "y");
      await journal.stored(second, "y.json");
    });
    const file = join(folder, "journal.jsonl");
    const whole = await readFile(file);
    for (let length = 0; length <= whole.length; length++) {
      await writeFile(file, whole.subarray(0, length));
      await put("x.json", "y.json");
      const lines = whole.subarray(0, length).toString().split("\n").slice(0, -1);
      const stored = lines.filter((line) => line.includes('"file"')).length;
      await reopened(async (journal) => {
        expect(journal.summary(3).stored).toBe(stored);
        await journal.stored(first, "x.json");
      });
      // A result is there where the journal has it, or had not begun it; what it had begun is gone.
      const begun = lines.filter((line) => line.includes('"storing"')).length;
      expect(await others()).toEqual(begun === stored ? ["x.json", "y.json"] : stored === 0 ? ["y.json"] : ["x.json"]);
      expect((await readFile(file, "utf8")).split("\n").at(-1)).toBe("");
    }
  });

  it("removes what a killed run left, and nothing else", async () => {
    const theirs = [
      "notes.txt",
      "s.json",
      "s-2.json",
      "s-2.safetensors",
      "st.json",
      "s-x.json",
      "s_inseq.json",
      "manifest.json",
    ];
    await put(
      ...theirs,
      "s-3.json",
      "s-3.safetensors",
      ".0f8fad5b-d9cb-469f-a165-70867728950e.tmp",
      ".7c9e6679-7425-40de-944b-e07fc1f90ae7.safetensors.tmp",
    );
    await reopened(async (journal) => {
      await journal.stored(first, "s.json");
      await journal.stored(second, "s-2.json");
      await journal.storing(third, "s");
    });
    await reopened((journal) => expect(prompts.map((prompt) => journal.has(prompt))).toEqual([true, true, false]));
    expect(await others()).toEqual(theirs.toSorted());
  });

  it("has a result that was taken away done again", async () => {
    await put("x.json");
    await reopened((journal) => journal.stored(first, "x.json"));
    await rm(join(folder, "x.json"));
    await reopened((journal) => expect(journal.has(first)).toBe(false));
  });

  it("names a damaged line", async () => {
    await reopened((journal) => journal.failed(first, failure));
    const file = join(folder, "journal.jsonl");
    for (const line of ["{", "{}", '{"index":0}', "null"]) {
      await writeFile(file, `${await readFile(file, "utf8").then((text) => text.split("\n")[0])}\n${line}\n`);
      await expect(Journal.open(folder)).rejects.toMatchObject({
        code: "ERR_TOKENLENSE_FORMAT",
        message: expect.stringContaining("journal.jsonl:2 is damaged"),
      });
    }
  });
});
