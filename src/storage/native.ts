import type { Span } from "../aggregation/segments.js";
import { TokenlenseError } from "../errors.js";
import type { GenerationParameters } from "../generate.js";
import { locate } from "../models/offsets.js";
import { Attribution, type Token } from "../result.js";
import { generationParameters } from "./document.js";
import { type NativeDocument, nativeDocument, timeOf } from "./schema.js";
import { nonFinite, readScores, type WholeScores } from "./scores.js";
import { textOf } from "./token-text.js";

/**
 * The attribution in what a file of the native schema holds.
 * @param file Its path: scores may lie in another file beside it.
 * @throws ERR_TOKENLENSE_FORMAT, and of the file beside {@link readScores}'s.
 */
export async function fromNative(json: unknown, file: string): Promise<Attribution> {
  const document = parseNative(json, file);
  const { data, tokenlense_native: ours } = document;
  const outputs = data.output_tokens.length;
  const sizes = [data.input_tokens.length + outputs, outputs] as const;
  const whole = ours?.scores ? await readScores(ours.scores, file, sizes) : fromMatrix(data.association_matrix, sizes);
  const result = fromDocument(document, whole);
  const wrong = nonFinite(result);
  if (wrong === undefined) return result;
  throw new TokenlenseError("ERR_TOKENLENSE_FORMAT", `${file} is no TokenLense result: as float32 it has ${wrong}.`);
}

/** Whether JSON claims to be a document of the native schema. */
export const isNative = (json: unknown): boolean =>
  typeof json === "object" && json !== null && "metadata" in json && "data" in json;

/** @throws ERR_TOKENLENSE_FORMAT where it is no document of the native schema, or contradicts itself. */
export function parseNative(json: unknown, file: string): NativeDocument {
  const parsed = nativeDocument.safeParse(json);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const place = issue?.path.map(String).join(".") || "the file";
  throw new TokenlenseError("ERR_TOKENLENSE_FORMAT", `${file} is no TokenLense result: ${place}: ${issue?.message}`, {
    hint: "Files of the native schema, versions 1.0.0 to 1.1.0, can be read.",
    cause: parsed.error,
  });
}

function fromMatrix(
  matrix: readonly (readonly number[])[],
  [sequence, outputs]: readonly [number, number],
): WholeScores {
  const scores = new Float32Array(sequence * outputs);
  matrix.forEach((row, output) => {
    row.forEach((score, position) => {
      scores[position * outputs + output] = score;
    });
  });
  return { scores, shape: [sequence, outputs], dimensions: [] };
}

function fromDocument({ metadata, data, tokenlense_native: ours }: NativeDocument, whole: WholeScores): Attribution {
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
  return new Attribution({
    tokens,
    promptLength: data.input_tokens.length,
    ...whole,
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
    timestamp: timeOf(metadata.timestamp),
  });
}

/** Undefined where none of ours is there. */
export function fromGenerationParams(stored: Readonly<Record<string, unknown>>): Attribution["generation"] {
  const parameters: Partial<GenerationParameters> = {};
  for (const [name, key] of generationParameters) {
    const value = stored[key];
    if (typeof value === "number") parameters[name] = value;
  }
  return Object.keys(parameters).length > 0 ? parameters : undefined;
}
