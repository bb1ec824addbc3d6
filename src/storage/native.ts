import { randomUUID } from "node:crypto";
import { link, mkdir, open, readFile, rename, unlink } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Span } from "../aggregation/segments.js";
import { TokenlenseError } from "../errors.js";
import type { GenerationParameters } from "../generate.js";
import { locate } from "../models/offsets.js";
import { Attribution, type Token } from "../result.js";
import { generationParameters } from "./document.js";
import { type NativeDocument, nativeDocument } from "./schema.js";

/**
 * Stores an attribution as `<timestamp>_<model>_<prompt>.json` and gives the file's path. It appears whole or not at
 * all, and never in place of another.
 * @param folder Made where there is none. Default: `results` in the working directory.
 * @throws ERR_TOKENLENSE_DISK
 */
export async function save(result: Attribution, folder = "results"): Promise<string> {
  const directory = resolve(folder);
  const text = `${JSON.stringify(result)}\n`;
  const temporary = join(directory, `.${randomUUID()}.tmp`);
  try {
    await mkdir(directory, { recursive: true });
    try {
      const file = await open(temporary, "wx");
      try {
        await file.writeFile(text);
        await file.sync();
      } finally {
        await file.close();
      }
      return await publish(temporary, directory, fileStem(result));
    } finally {
      await unlink(temporary).catch(() => {});
    }
  } catch (cause) {
    throw new TokenlenseError(
      "ERR_TOKENLENSE_DISK",
      `The result could not be stored in ${directory}: ${reason(cause)}`,
      {
        hint: "Make room or choose another folder (--output, or save()'s second argument).",
        cause,
      },
    );
  }
}

/**
 * Reads what `save` or TokenLense itself wrote, schema versions 1.0.0 to 1.1.0.
 * @throws ERR_TOKENLENSE_FILE where it cannot be read, ERR_TOKENLENSE_FORMAT where it is no such file.
 */
export async function load(file: string): Promise<Attribution> {
  const text = await readFile(file, "utf8").catch((cause: unknown) => {
    throw new TokenlenseError("ERR_TOKENLENSE_FILE", `Cannot read ${file}: ${reason(cause)}`, { cause });
  });
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new TokenlenseError("ERR_TOKENLENSE_FORMAT", `${file} is not JSON, or was cut short.`, { cause });
  }
  const parsed = nativeDocument.safeParse(json);
  if (parsed.success) return fromDocument(parsed.data);
  const [issue] = parsed.error.issues;
  const place = issue?.path.map(String).join(".") || "the file";
  throw new TokenlenseError("ERR_TOKENLENSE_FORMAT", `${file} is no TokenLense result: ${place}: ${issue?.message}`, {
    hint: "Files of the native schema, versions 1.0.0 to 1.1.0, can be read.",
    cause: parsed.error,
  });
}

// A hard link fails where the name is taken, which a rename does not. Without hard links (FAT) the name is reserved first.
async function publish(temporary: string, directory: string, stem: string): Promise<string> {
  for (let copy = 1; ; copy++) {
    const file = join(directory, copy === 1 ? `${stem}.json` : `${stem}-${copy}.json`);
    try {
      await link(temporary, file).catch(async (error: NodeJS.ErrnoException) => {
        if (!["EPERM", "ENOSYS", "ENOTSUP", "EOPNOTSUPP"].includes(error.code ?? "")) throw error;
        await (await open(file, "wx")).close();
        await rename(temporary, file);
      });
      return file;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
  }
}

function fileStem({ timestamp, modelName, prompt }: Attribution): string {
  const [date = "", time = ""] = timestamp.toISOString().replaceAll(/[-:]/g, "").split(/[T.]/);
  const model = nameOf(modelName.split(/[\\/]/).at(-1) ?? "", 60) || "model";
  return `${date}_${time}_${model}_${nameOf(prompt, 50) || "prompt"}`;
}

/** Letters and digits that every file system takes, in any case and whatever its encoding. */
function nameOf(text: string, length: number): string {
  const plain = text
    .slice(0, 4 * length)
    .normalize("NFKD")
    .replaceAll(/\p{M}/gu, "");
  return plain
    .replaceAll(/[^A-Za-z0-9.-]+/g, "_")
    .replaceAll(/^[_.-]+/g, "")
    .slice(0, length)
    .replaceAll(/[_.-]+$/g, "");
}

function fromDocument({ metadata, data, tokenlense_native: ours }: NativeDocument): Attribution {
  const entries = [...data.input_tokens, ...data.output_tokens];
  const texts = entries.map(textOf);
  const input = texts.slice(0, data.input_tokens.length).join("");
  const target = ours?.target ?? texts.join("");
  const pieces = texts.map((text) => ({ text, kind: "text" as const }));
  const spans = locate(pieces, target, "none"); // for files without them
  const tokens = entries.map(
    (entry, i): Token => ({
      token: entry.token,
      text: texts[i] as string,
      id: entry.token_id,
      role: i < data.input_tokens.length ? "prompt" : "target",
      start: entry.start ?? (spans[i] as Span)[0],
      end: entry.end ?? (spans[i] as Span)[1],
    }),
  );
  const outputs = data.output_tokens.length;
  const scores = new Float32Array(tokens.length * outputs);
  data.association_matrix.forEach((row, output) => {
    row.forEach((score, position) => {
      scores[position * outputs + output] = score;
    });
  });
  // Python writes UTC without saying so.
  const zoned = /(Z|[+-]\d\d:?\d\d)$/.test(metadata.timestamp);
  return new Attribution({
    tokens,
    promptLength: data.input_tokens.length,
    scores,
    shape: [tokens.length, outputs],
    dimensions: [],
    convergenceDeltas: ours?.convergence_deltas && Float32Array.from(ours.convergence_deltas),
    pathSteps: ours?.path_steps && Int32Array.from(ours.path_steps),
    stepScores: Object.fromEntries(
      Object.entries(data.step_scores ?? {}).map(([name, values]) => [name, Float32Array.from(values)]),
    ),
    method: metadata.attribution_method ?? "unknown",
    step: ours?.step,
    modelName: metadata.llm_id,
    prompt: metadata.prompt,
    input: ours?.input ?? input,
    target,
    generation: fromGenerationParams(metadata.generation_params),
    stats: ours?.stats,
    timings: ours?.timings ?? {},
    versions: ours?.versions ?? {},
    timestamp: new Date(zoned ? metadata.timestamp : `${metadata.timestamp}Z`),
  });
}

type TokenEntry = NativeDocument["data"]["input_tokens"][number];

/** Files of TokenLense have no `text`; its tokens mark a space as Ġ or ▁ and a line's end as Ċ. */
const textOf = ({ token, text }: TokenEntry): string => text ?? token.replaceAll(/[Ġ▁]/g, " ").replaceAll("Ċ", "\n");

function fromGenerationParams(stored: Record<string, string | number>): Attribution["generation"] {
  const parameters: Partial<GenerationParameters> = {};
  for (const [name, key] of generationParameters) {
    const value = stored[key];
    if (typeof value === "number") parameters[name] = value;
  }
  return Object.keys(parameters).length > 0 ? parameters : undefined;
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
