import { normalise } from "../aggregation/normalise.js";
import type { Attribution, Token } from "../result.js";
import type { NativeDocument } from "./schema.js";

/** Our names of the generation parameters, and those in a file. */
export const generationParameters = [
  ["maxNewTokens", "max_new_tokens"],
  ["temperature", "temperature"],
  ["topK", "top_k"],
  ["topP", "top_p"],
  ["seed", "seed"],
] as const;

/** An attribution in TokenLense's native storage schema. Scores kept per dimension go as their L2 norm. */
export function toDocument(result: Attribution): NativeDocument {
  const { tokens, promptLength, outputs, tokenScores } = result;
  const matrix = (scores: Float32Array) =>
    Array.from({ length: outputs }, (_, output) =>
      tokens.map((_, position) => shortest(scores[position * outputs + output] ?? 0)),
    );
  return {
    metadata: {
      timestamp: result.timestamp.toISOString(),
      llm_id: result.modelName,
      llm_version: result.modelName.split(/[\\/]/).at(-1) || result.modelName,
      prompt: result.prompt,
      attribution_method: result.method,
      generation_params: toGenerationParams(result.generation),
      version: "1.1.0",
    },
    data: {
      input_tokens: tokens.slice(0, promptLength).map(toTokenEntry),
      output_tokens: tokens.slice(promptLength).map(toTokenEntry),
      association_matrix: matrix(tokenScores),
      normalized_association: matrix(normalise("tokenlense", tokenScores, outputs)),
      attribution_source: "combined",
      raw_dimensions: [...result.shape],
      step_scores: Object.fromEntries(
        Object.entries(result.stepScores).map(([name, values]) => [name, Array.from(values, shortest)]),
      ),
    },
    tokenlense_native: {
      step: result.step,
      ...(result.convergenceDeltas && { convergence_deltas: Array.from(result.convergenceDeltas, shortest) }),
      ...(result.pathSteps && { path_steps: [...result.pathSteps] }),
      input: result.input,
      target: result.target,
      stats: result.stats,
      timings: { ...result.timings },
      versions: { ...result.versions },
    },
  };
}

/** Nine digits hold any float32: read back it is the same one, and half as long in the file as the double. */
function shortest(value: number): number {
  return Number(value.toPrecision(9));
}

function toTokenEntry({ token, id, text, start, end }: Token) {
  return { token, token_id: id, clean_token: text.trim() || token, text, start, end };
}

/** Under the names that files have. */
export function toGenerationParams(parameters: Attribution["generation"]): Record<string, number> {
  const stored: Record<string, number> = {};
  for (const [name, key] of generationParameters) {
    const value = parameters?.[name];
    if (value !== undefined) stored[key] = value;
  }
  return stored;
}
