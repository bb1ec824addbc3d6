import { execFile } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { stringify } from "csv-stringify/sync";
import fc from "fast-check";
import { parquetWriteBuffer } from "hyparquet-writer";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openTable, type Row } from "../../src/dataset/table.js";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tokenlense-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function write(name: string, content: string | Uint8Array): string {
  const file = join(folder, name);
  writeFileSync(file, content);
  return file;
}

async function rowsOf(file: string): Promise<Row[]> {
  const rows: Row[] = [];
  for await (const row of (await openTable(file)).rows()) rows.push(row);
  return rows;
}

const error = (code: string, message: RegExp) =>
  expect.objectContaining({ code: `ERR_TOKENLENSE_${code}`, message: expect.stringMatching(message) });
/** How many lines a text ends. */
const lineEnds = (text: string) => text.match(/\r\n?|\n/g)?.length ?? 0;

const text = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.string({ unit: "grapheme" }),
  fc.string({ unit: fc.constantFrom('"', ",", "\n", "\r\n", " ", "a", ";", "\t", "\ufeff") }),
);
const lineEnd = fc.constantFrom("\n", "\r\n");
const blank = fc.nat({ max: 2 });
const bom = fc.constantFrom("", "\ufeff");

describe("CSV", () => {
  it("gives back any table, and the line on which each row begins", async () => {
    const table = fc.integer({ min: 1, max: 4 }).chain((width) =>
      fc.record({
        names: fc.uniqueArray(
          text.map((name) => `c${name}`),
          { minLength: width, maxLength: width },
        ),
        rows: fc.array(fc.tuple(fc.array(text, { minLength: width, maxLength: width }), blank), { maxLength: 6 }),
        end: lineEnd,
        bom,
      }),
    );
    await fc.assert(
      fc.asyncProperty(table, async ({ names, rows, end, bom }) => {
        const csv = (values: string[]) =>
          stringify([values], { quoted: true, quoted_empty: true, record_delimiter: end });
        let content = bom + csv(names);
        const expected = rows.map(([values, empty]) => {
          content += end.repeat(empty);
          const line = 1 + lineEnds(content);
          content += csv(values);
          return { line, values: Object.fromEntries(names.map((name, i) => [name, values[i]])) };
        });
        expect(await rowsOf(write("table.csv", content))).toEqual(expected);
        expect(await rowsOf(write("open.csv", content.replace(/\r?\n$/, "")))).toEqual(expected);
      }),
    );
  });

  it("takes what spreadsheets write: quotes only where they are needed, ends of both kinds", async () => {
    const file = write("mixed.csv", 'id,text\r\n1,plain\r\n\r\n2,"two\nlines, ""quoted"""\n3,\n');
    expect(await rowsOf(file)).toEqual([
      { line: 2, values: { id: "1", text: "plain" } },
      { line: 4, values: { id: "2", text: 'two\nlines, "quoted"' } },
      { line: 6, values: { id: "3", text: "" } },
    ]);
  });

  it("names the line of what it cannot read", async () => {
    const faults: [string, RegExp][] = [
      ["a,b\n1,2\n3,4,5\n", /wrong\.csv:3 .*expect 2, got 3/],
      ['a,b\n"x\n\ny",2\n\n3\n', /wrong\.csv:6 .*expect 2, got 1/],
      ['a,b\n1,2\n\n"3,4\n5,6\n', /wrong\.csv:4 .*Quote Not Closed/],
      ['a,b\r\n1,2\r\n3,"4"x\r\n', /wrong\.csv:3 /],
      ["\na,b,a\n1,2,3\n", /wrong\.csv:2 names two columns "a"/],
    ];
    for (const [content, message] of faults)
      await expect(rowsOf(write("wrong.csv", content))).rejects.toThrow(error("FORMAT", message));
  });
});

describe("JSON Lines", () => {
  it("gives back any objects, with their lines", async () => {
    const object = fc.dictionary(fc.string(), fc.jsonValue(), { maxKeys: 4 });
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(object, blank)), lineEnd, bom, async (objects, end, bom) => {
        let content = bom;
        const expected = objects.map(([value, empty]) => {
          content += `${end.repeat(empty)}${JSON.stringify(value)}${end}`;
          return { line: lineEnds(content), values: JSON.parse(JSON.stringify(value)) };
        });
        expect(await rowsOf(write("objects.jsonl", content))).toEqual(expected);
      }),
    );
  });

  it("names the line of what is no object", async () => {
    for (const [line, message] of [
      ['{"a": 1', /wrong\.ndjson:3 is not JSON/],
      ["[1]", /wrong\.ndjson:3 is no object/],
      ['"text"', /wrong\.ndjson:3 is no object/],
      ["null", /wrong\.ndjson:3 is no object/],
    ] as const)
      await expect(rowsOf(write("wrong.ndjson", `{"a": 1}\n\n${line}\n`))).rejects.toThrow(error("FORMAT", message));
  });
});

describe("text", () => {
  it("is a prompt on each line that is not empty", async () => {
    const line = fc.string({ unit: "binary" }).map((prompt) => prompt.replaceAll(/[\r\n\ufeff]/g, ""));
    await fc.assert(
      fc.asyncProperty(fc.array(line), lineEnd, bom, async (lines, end, bom) => {
        const rows = await rowsOf(write("prompts.txt", bom + lines.join(end)));
        const expected = lines.map((prompt, i) => ({ line: i + 1, values: { line: prompt } }));
        expect(rows).toEqual(expected.filter(({ values }) => values.line.trim() !== ""));
      }),
    );
  });

  it("must be UTF-8, whatever it is part of", async () => {
    const bytes = Buffer.concat([Buffer.from('"ok"\n'.repeat(70_000)), Buffer.from([0x61, 0xe9, 0x0a])]);
    for (const name of ["latin.txt", "latin.csv"])
      await expect(rowsOf(write(name, bytes))).rejects.toThrow(error("FORMAT", /latin\.(txt|csv):70001 is not UTF-8/));
    const wide = Buffer.from("\ufeffa\nb\n", "utf16le");
    await expect(rowsOf(write("wide.csv", wide))).rejects.toThrow(error("FORMAT", /wide\.csv:1 is UTF-16/));
    await expect(rowsOf(write("cut.txt", Buffer.from("\ufeffaé").subarray(0, -1)))).rejects.toThrow(/cut\.txt:1 /);
  });
});

describe("parquet", () => {
  const compressors = {
    GZIP: (bytes: Uint8Array) => new Uint8Array(gzipSync(bytes)),
    BROTLI: (bytes: Uint8Array) => new Uint8Array(brotliCompressSync(bytes)),
  };

  it("gives back any table, of many row groups and however it was compressed", async () => {
    const row = fc.tuple(text, fc.option(text), fc.integer());
    const codec = fc.constantFrom("UNCOMPRESSED", "SNAPPY", "GZIP", "BROTLI");
    await fc.assert(
      fc.asyncProperty(
        fc.array(row, { minLength: 1, maxLength: 12 }),
        fc.integer({ min: 1, max: 5 }),
        codec,
        async (rows, rowGroupSize, codec) => {
          const columnData = [
            { name: "prompt", type: "STRING" as const, data: rows.map(([prompt]) => prompt) },
            { name: "note", type: "STRING" as const, data: rows.map(([, note]) => note) },
            { name: "n", type: "INT32" as const, data: rows.map(([, , n]) => n) },
          ];
          const buffer = parquetWriteBuffer({ columnData, rowGroupSize, codec, compressors });
          const file = write("table.parquet", new Uint8Array(buffer));
          const expected = rows.map(([prompt, note, n], i) => ({ line: i + 1, values: { prompt, note, n } }));
          expect(await rowsOf(file)).toEqual(expected);
          const table = await openTable(file);
          expect(await table.columns()).toEqual([
            { name: "prompt", text: true },
            { name: "note", text: true },
            { name: "n", text: false },
          ]);
          for await (const { line, values } of table.rows(["note"]))
            expect(values).toEqual({ note: rows[line - 1]?.[1] });
        },
      ),
      { numRuns: 50 },
    );
  });

  it("is refused by name where it is damaged, and never read as something else", async () => {
    const columnData = [{ name: "prompt", type: "STRING" as const, data: ["a", "b"] }];
    const whole = new Uint8Array(parquetWriteBuffer({ columnData, rowGroupSize: 1 }));
    const expected = await rowsOf(write("whole.parquet", whole));
    for (let length = 0; length < whole.length; length += 3)
      await expect(rowsOf(write("cut.parquet", whole.subarray(0, length)))).rejects.toThrow(
        error("FORMAT", /cut\.parquet/),
      );
    expect(expected).toHaveLength(2);
  });
});

describe("openTable", () => {
  it("says what can be read, and what is not there", async () => {
    await expect(openTable("prompts.xlsx")).rejects.toThrow(error("INPUT", /prompts\.xlsx/));
    for (const ending of ["csv", "jsonl", "txt", "parquet"])
      await expect(rowsOf(join(folder, `none.${ending}`))).rejects.toThrow(error("FILE", /none\./));
  });

  it("reads files that are far larger than its memory", async () => {
    const rows = 60_000;
    const long = "x".repeat(500);
    const csv = join(folder, "large.csv");
    const handle = openSync(csv, "w");
    writeSync(handle, "id,full_prompt\n");
    for (let i = 0; i < rows / 1000; i++) writeSync(handle, `1,"${long}\n"\n`.repeat(1000));
    closeSync(handle);
    const data = Array.from({ length: rows }, (_, i) => `${i}${long}`);
    const columnData = [{ name: "full_prompt", type: "STRING" as const, data }];
    const parquet = write(
      "large.parquet",
      new Uint8Array(parquetWriteBuffer({ columnData, rowGroupSize: 5000, statistics: false })),
    );
    const module = fileURLToPath(new URL("../../dist/dataset/dataset.js", import.meta.url));
    const script = `
      import { openDataset } from ${JSON.stringify(module)};
      for (const file of process.argv.slice(1)) {
        let count = 0, length = 0;
        for await (const { prompt } of (await openDataset(file)).prompts()) { count++; length += prompt.length; }
        console.log(count, length > 3e7);
      }`;
    // 30 MB of text each; a heap of 24 MB.
    const args = ["--max-old-space-size=24", "--input-type=module", "-e", script, csv, parquet];
    const { stdout } = await promisify(execFile)(process.execPath, args);
    expect(stdout).toBe(`${rows} true\n`.repeat(2));
  });
});
