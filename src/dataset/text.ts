import { fault, readLines } from "./lines.js";
import type { Row } from "./table.js";

/** The column that a text file's lines are. */
export const LINE_COLUMN = "line";

/** A prompt on each line; empty lines are passed over. */
export async function* textRows(file: string): AsyncGenerator<Row, void, undefined> {
  for await (const { number, text } of readLines(file)) {
    const prompt = text.replace(/\r$/, "");
    if (prompt.trim() !== "") yield { line: number, values: { [LINE_COLUMN]: prompt } };
  }
}

/** JSON Lines: an object on each; empty lines are passed over. */
export async function* jsonRows(file: string): AsyncGenerator<Row, void, undefined> {
  for await (const { number, text } of readLines(file)) {
    if (text.trim() === "") continue;
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (cause) {
      throw fault(
        file,
        number,
        `is not JSON: ${(cause as Error).message}.`,
        "Each line is an object of its own.",
        cause,
      );
    }
    if (typeof value !== "object" || value === null || Array.isArray(value))
      throw fault(file, number, "is no object.", 'Each line is an object of columns: {"full_prompt": "…"}.');
    yield { line: number, values: value as Record<string, unknown> };
  }
}
