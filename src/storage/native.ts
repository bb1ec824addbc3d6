import type { Span } from "../aggregation/segments.js";
import { TokenlenseError } from "../errors.js";
import type { GenerationParameters } from "../generate.js";
import { locate } from "../models/offsets.js";
import { Attribution, type Token } from "../result.js";
import { generationParameters } from "./document.js";
import { type NativeDocument, nativeDocument } from "./schema.js";
import { textOf } from "./token-text.js";

/**
 * The attribution in what a file of the native schema holds.
 * @param file Its name, for errors.
 * @throws ERR_TOKENLENSE_FORMAT
 */
export function fromNative(json: unknown, file: string): Attribution {
  const parsed = nativeDocument.safeParse(json);
  if (parsed.success) return fromDocument(parsed.data);
  const [issue] = parsed.error.issues;
  const place = issue?.path.map(String).join(".") || "the file";
  throw new TokenlenseError("ERR_TOKENLENSE_FORMAT", `${file} is no TokenLense result: ${place}: ${issue?.message}`, {
    hint: "Files of the native schema, versions 1.0.0 to 1.1.0, can be read.",
    cause: parsed.error,
  });
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

function fromGenerationParams(stored: Record<string, string | number>): Attribution["generation"] {
  const parameters: Partial<GenerationParameters> = {};
  for (const [name, key] of generationParameters) {
    const value = stored[key];
    if (typeof value === "number") parameters[name] = value;
  }
  return Object.keys(parameters).length > 0 ? parameters : undefined;
}
