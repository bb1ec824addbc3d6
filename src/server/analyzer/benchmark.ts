import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parse } from "csv-parse/sync";
import { z } from "zod";
import { TokenlenseError } from "../../errors.js";
import { methodTiming, promptTiming, systemInfo } from "./schemas.js";

// What a benchmark of TokenLense's leaves beside its results: in the folder, or in its folder `data`.

/** Columns whose values go under another name too: the CSVs have one, the Analyzer's answers the other. */
const methodNames = {
  attribution_method: "method",
  average_prompt_time: "average_time",
  average_time: "average_prompt_time",
  cuda_available: "torch_cuda_available",
  mps_available: "torch_mps_available",
};
const promptNames = {
  attribution_method: "method",
  prompt_text: "prompt",
  token_count: "tokens",
  attribution_time: "time",
};

/** @throws ERR_TOKENLENSE_FORMAT */
export async function storedSystem(folder: string): Promise<z.output<typeof systemInfo> | undefined> {
  const file = "system_info.json";
  const text = await contents(folder, file);
  if (text === undefined) return undefined;
  return checked(file, () => systemInfo.loose().parse({ ...nulls(systemInfo), ...JSON.parse(text) }));
}

/**
 * Undefined unless both files are there.
 * @throws ERR_TOKENLENSE_FORMAT
 */
export async function storedTiming(folder: string) {
  const [method, prompt] = ["method_timing_results.csv", "prompt_timing_results.csv"] as const;
  const [methods, prompts] = [await contents(folder, method), await contents(folder, prompt)];
  if (methods === undefined || prompts === undefined) return undefined;
  return {
    method_timing: checked(method, () => rows(methods, methodNames, methodTiming)),
    prompt_timing: checked(prompt, () => rows(prompts, promptNames, promptTiming)),
  };
}

async function contents(folder: string, name: string): Promise<string | undefined> {
  for (const place of [folder, join(folder, "data")]) {
    const text = await readFile(join(place, name), "utf8").catch(() => undefined);
    if (text !== undefined) return text;
  }
  return undefined;
}

function checked<T>(file: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    const why = cause instanceof z.ZodError ? z.prettifyError(cause) : (cause as Error).message;
    throw new TokenlenseError("ERR_TOKENLENSE_FORMAT", `${file} is not what TokenLense writes: ${why}`, { cause });
  }
}

function rows<Schema extends z.ZodObject>(
  csv: string,
  names: Readonly<Record<string, string>>,
  schema: Schema,
): z.output<Schema>[] {
  const records: Record<string, string>[] = parse(csv, { columns: true, bom: true, skip_empty_lines: true });
  return records.map((record) => {
    const given = Object.fromEntries(Object.entries(record).map(([name, text]) => [name, read(name, text)]));
    const copies = Object.entries(names).flatMap(([from, to]) => (from in given ? [[to, given[from]]] : []));
    return schema.parse({ ...nulls(schema), ...Object.fromEntries(copies), ...given });
  });
}

/** Each field of a schema as null. */
export const nulls = (schema: z.ZodObject): Record<string, null> =>
  Object.fromEntries(Object.keys(schema.shape).map((name) => [name, null]));

/** As pandas reads it. A text that looks like a number stays one where it is a prompt or a name. */
function read(name: string, text: string): string | number | boolean | null {
  if (/^(prompt|prompt_text|prompt_id|model|method|attribution_method|platform|cpu_model|gpu_info)$/.test(name))
    return text;
  if (text === "" || /^(nan|none)$/i.test(text)) return null;
  if (/^(true|false)$/i.test(text)) return text.toLowerCase() === "true";
  const number = Number(text);
  return Number.isFinite(number) ? number : text;
}
