import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { parquetWriteFile } from "hyparquet-writer";
import { describe, expect, it } from "vitest";
import { readPrompts } from "../../src/bench/dataset.js";
import { builtinPrompts } from "../../src/bench/prompts.js";
import { temporaryFolder } from "../tiny-model.js";

const folder = temporaryFolder();
function file(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

describe("readPrompts", () => {
  it("has prompts of its own, of several lengths and under different names", async () => {
    const prompts = await readPrompts(undefined);
    expect(prompts).toEqual(builtinPrompts);
    expect(new Set(prompts.map(({ name }) => name)).size).toBe(prompts.length);
    expect(await readPrompts(undefined, { limit: 2 })).toEqual(builtinPrompts.slice(0, 2));
  });

  it("takes FACTS' whole prompts", async () => {
    const path = file(
      "examples.csv",
      'system_instruction,user_request,context_document,full_prompt\nBe brief.,Who?,"A, b.","Be brief. Who? A, b."\n',
    );
    expect(await readPrompts(path)).toEqual([{ name: "facts 2", text: "Be brief. Who? A, b." }]);
  });

  it("puts BoolQ's questions after their passages, of JSON Lines and of parquet", async () => {
    const rows = [
      { question: "is ice cold", title: "Ice", answer: true, passage: "Ice is cold." },
      { question: "is fire cold?", title: "Fire", answer: false, passage: "Fire is hot." },
    ];
    const texts = ["Ice is cold.\nQuestion: is ice cold?\nAnswer:", "Fire is hot.\nQuestion: is fire cold?\nAnswer:"];
    const lines = file("dev.jsonl", rows.map((row) => JSON.stringify(row)).join("\n"));
    expect((await readPrompts(lines)).map(({ text }) => text)).toEqual(texts);
    const parquet = join(folder, "validation.parquet");
    const columns = (["question", "answer", "passage"] as const).map((name) => ({
      name,
      data: rows.map((row) => row[name]),
      type: name === "answer" ? ("BOOLEAN" as const) : ("STRING" as const),
    }));
    parquetWriteFile({ filename: parquet, columnData: columns });
    expect((await readPrompts(parquet)).map(({ text }) => text)).toEqual(texts);
  });

  it("asks SimpleQuestions' and SimpleQA's questions", async () => {
    const freebase =
      "www.freebase.com/m/04whkz5\twww.freebase.com/book/written_work/subjects\twww.freebase.com/m/01cj3p\t";
    const questions = file("annotated_fb_data_test.txt", `${freebase}what is the book e about\n`);
    expect(await readPrompts(questions)).toEqual([
      { name: "simple-questions 1", text: "Question: what is the book e about\nAnswer:" },
    ]);
    const qa = file("simple_qa_test_set.csv", "metadata,problem,answer\n\"{'topic': 'Art'}\",Who painted it?,Ana\n");
    expect((await readPrompts(qa))[0]?.text).toBe("Question: Who painted it?\nAnswer:");
    const damaged = file("damaged.txt", `${freebase}what\nno tabs here\n`);
    await expect(readPrompts(damaged)).rejects.toMatchObject({ code: "ERR_TOKENLENSE_FORMAT" });
  });

  it("reads other files by the column rules, which a named column goes before", async () => {
    const plain = file("plain.csv", "system_instruction,user_request\nBe brief.,Who?\n");
    expect(await readPrompts(plain)).toEqual([{ name: "line 2", text: "Who?", system: "Be brief." }]);
    const boolq = file("named.jsonl", JSON.stringify({ question: "is it", passage: "It is.", answer: true }));
    expect(await readPrompts(boolq, { column: "question" })).toEqual([{ name: "line 1", text: "is it" }]);
    expect((await readPrompts(file("two.txt", "one\n\ntwo\nthree\n"), { limit: 2 })).map(({ text }) => text)).toEqual([
      "one",
      "two",
    ]);
    await expect(readPrompts(file("none.txt", "\n"))).rejects.toMatchObject({
      code: expect.stringMatching(/_INPUT|_FORMAT/),
    });
  });
});
