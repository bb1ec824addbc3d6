import { type ColumnOptions, openDataset } from "../dataset/dataset.js";
import { openTable, type Row } from "../dataset/table.js";
import { LINE_COLUMN } from "../dataset/text.js";
import { TokenlenseError } from "../errors.js";
import { throwIfCancelled } from "../task.js";
import { type BenchPrompt, builtinPrompts } from "./prompts.js";

/** A benchmark's file, as it was published: how it is known, and what a model is asked of a row. */
interface Published {
  name: string;
  columns: readonly string[];
  prompt(value: (column: string) => string): string;
}

const published: readonly Published[] = [
  {
    // google/FACTS-grounding-public, examples.csv (Jacovi et al. 2025): the whole question is a column of its own.
    name: "facts",
    columns: ["system_instruction", "user_request", "context_document", "full_prompt"],
    prompt: (value) => value("full_prompt"),
  },
  {
    // google/boolq (Clark et al. 2019), train.jsonl and dev.jsonl, and its parquet files: put as lm-evaluation-harness does.
    name: "boolq",
    columns: ["question", "passage", "answer"],
    prompt: (value) => `${value("passage")}\nQuestion: ${value("question").replace(/\?$/, "")}?\nAnswer:`,
  },
  {
    // SimpleQA (Wei et al. 2024), simple_qa_test_set.csv.
    name: "simple-questions",
    columns: ["metadata", "problem", "answer"],
    prompt: (value) => `Question: ${value("problem")}\nAnswer:`,
  },
];

/** SimpleQuestions (Bordes et al. 2015), annotated_fb_data_*.txt: subject, relation, object and question between tabs. */
const freebase = /^www\.freebase\.com\/\S+\t\S+\t\S+\t(.+)$/;

export interface PromptOptions extends ColumnOptions {
  limit?: number | undefined;
  signal?: AbortSignal | undefined;
}

/**
 * The prompts of a file, by the rules of `attribute-dataset`; FACTS, BoolQ, SimpleQA and SimpleQuestions files are known by
 * their columns unless a column is named. Without a file: those that come with this package.
 * @throws ERR_TOKENLENSE_INPUT, ERR_TOKENLENSE_FILE, ERR_TOKENLENSE_FORMAT; _CANCELLED.
 */
export async function readPrompts(file: string | undefined, options: PromptOptions = {}): Promise<BenchPrompt[]> {
  const { limit = Number.POSITIVE_INFINITY, signal } = options;
  if (file === undefined) return builtinPrompts.slice(0, limit);
  const prompts: BenchPrompt[] = [];
  for await (const prompt of await source(file, options)) {
    throwIfCancelled(signal);
    if (prompts.length >= limit) break;
    prompts.push(prompt);
  }
  if (prompts.length > 0) return prompts;
  throw new TokenlenseError("ERR_TOKENLENSE_INPUT", `${file} holds no prompts.`);
}

async function source(file: string, options: ColumnOptions): Promise<AsyncIterable<BenchPrompt>> {
  const table = await openTable(file);
  if (options.column === undefined) {
    const names = (await table.columns()).map(({ name }) => name);
    const known = published.find(({ columns }) => columns.every((column) => names.includes(column)));
    if (known) return each(table.rows(known.columns), ({ line, values }) => named(known, line, values));
    if (table.format === "txt" && (await first(table.rows()))?.match(freebase))
      return each(table.rows(), ({ line, values }) => freebasePrompt(file, line, String(values[LINE_COLUMN])));
  }
  const dataset = await openDataset(file, options);
  return each(dataset.prompts(), ({ line, prompt, system }) => ({
    name: `line ${line}`,
    text: prompt,
    ...(system && { system }),
  }));
}

async function* each<From>(rows: AsyncIterable<From>, make: (row: From) => BenchPrompt): AsyncGenerator<BenchPrompt> {
  for await (const row of rows) yield make(row);
}

function named({ name, prompt }: Published, line: number, values: Row["values"]): BenchPrompt {
  return { name: `${name} ${line}`, text: prompt((column) => String(values[column] ?? "")) };
}

function freebasePrompt(file: string, line: number, text: string): BenchPrompt {
  const question = freebase.exec(text)?.[1];
  if (question !== undefined) return { name: `simple-questions ${line}`, text: `Question: ${question}\nAnswer:` };
  throw new TokenlenseError("ERR_TOKENLENSE_FORMAT", `${file}:${line} is no line of SimpleQuestions.`, {
    hint: "Each has a subject, a relation, an object and a question, with tabs between.",
  });
}

async function first(rows: AsyncGenerator<Row>): Promise<string | undefined> {
  for await (const { values } of rows) return String(values[LINE_COLUMN]);
  return undefined;
}
