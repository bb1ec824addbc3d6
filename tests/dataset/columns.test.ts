import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ColumnOptions, type DatasetPrompt, openDataset } from "../../src/dataset/dataset.js";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tokenlense-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function write(name: string, content: string): string {
  const file = join(folder, name);
  writeFileSync(file, content);
  return file;
}

async function read(file: string, options: ColumnOptions = {}) {
  const { columns, prompts } = await openDataset(file, options);
  const found: DatasetPrompt[] = [];
  for await (const prompt of prompts()) found.push(prompt);
  return { columns, prompts: found };
}

const code = (name: string) => expect.objectContaining({ code: `ERR_TOKENLENSE_${name}` });

describe("openDataset", () => {
  it("takes full_prompt; or system_instruction and user_request; or the first column of text", async () => {
    const facts =
      "system_instruction,user_request,context_document,full_prompt\nBe brief.,Why?,Sky,Be brief. Sky. Why?\n";
    expect((await read(write("facts.csv", facts))).columns).toEqual({ prompt: "full_prompt" });
    expect(await read(write("pair.csv", "id,user_request,system_instruction\n1,Why?,Be brief.\n2,How?,\n"))).toEqual({
      columns: { prompt: "user_request", system: "system_instruction" },
      prompts: [
        { index: 0, line: 2, prompt: "Why?", system: "Be brief." },
        { index: 1, line: 3, prompt: "How?", system: "" },
      ],
    });
    // As BoolQ is published, and a list of questions; half a pair is no pair.
    const boolq =
      '{"answer": true, "n": 3, "question": "is the sky blue", "title": "Sky", "passage": "The sky is blue."}\n';
    expect((await read(write("boolq.jsonl", boolq))).columns).toEqual({ prompt: "question" });
    expect((await read(write("simple.csv", "id,score,question\n,0.5,\n7,1e3,Why?\n"))).columns.prompt).toBe("question");
    expect((await read(write("half.csv", "title,user_request\nSky,Why?\n"))).columns).toEqual({ prompt: "title" });
    expect((await read(write("lines.txt", "Why?\n\nHow?\n"))).prompts).toEqual([
      { index: 0, line: 1, prompt: "Why?" },
      { index: 1, line: 3, prompt: "How?" },
    ]);
  });

  it("takes the columns that it is told, and only these", async () => {
    const file = write("told.csv", "full_prompt,q,s,answer,other\na,b,c,d,e\n");
    expect((await read(file, { column: "q" })).prompts).toEqual([{ index: 0, line: 2, prompt: "b" }]);
    const all = { column: "q", systemColumn: "s", targetColumn: "answer", contrastColumn: "other" };
    expect((await read(file, all)).prompts).toEqual([
      { index: 0, line: 2, prompt: "b", system: "c", target: "d", contrast: "e" },
    ]);
    // What is told to be something else is not the first column of text.
    const rest = write("rest.csv", "s,answer,q\nc,d,b\n");
    expect((await read(rest, { systemColumn: "s", targetColumn: "answer" })).columns.prompt).toBe("q");
  });

  it("reads numbers as text and what is missing as empty; what is made of parts is a fault", async () => {
    const file = write("values.jsonl", '{"q": 42}\n{}\n{"q": null}\n{"q": "x", "toString": 1}\n');
    expect((await read(file, { column: "q" })).prompts.map(({ prompt }) => prompt)).toEqual(["42", "", "", "x"]);
    await expect(read(file, { column: "constructor" })).rejects.toThrow(code("INPUT"));
    const parts = write("parts.jsonl", '{"q": "x"}\n{"q": ["x"]}\n');
    await expect(read(parts)).rejects.toThrow(/parts\.jsonl:2 holds no text in column "q"/);
  });

  it("names the nearest column, and what there is", async () => {
    const file = write("names.csv", "id,question\n1,Why?\n");
    await expect(read(file, { column: "questoin" })).rejects.toMatchObject({
      code: "ERR_TOKENLENSE_INPUT",
      hint: "Did you mean question?",
    });
    await expect(read(write("numbers.csv", "id,n\n1,2\n"))).rejects.toMatchObject({
      code: "ERR_TOKENLENSE_INPUT",
      hint: expect.stringContaining("id, n"),
    });
    for (const empty of ["", "id,question\n", "\ufeff\n\n"])
      await expect(read(write("empty.csv", empty))).rejects.toThrow(code("FORMAT"));
  });
});
