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

/**
 * Scores that a document holds at most when a side file has them too. At this size its JSON is 1.4 MB, takes 33 ms to make
 * and 16 ms to read, in which nothing else runs, and about as much again for each such number more; as float32 it is 0.26 MB,
 * and reading it with its digest takes less than 1 ms (AMD EPYC, Node 20).
 */
const MOST_IN_JSON = 2 ** 16;

/** Whether JSON alone can hold the result: few scores, and none with dimensions of their own. */
export const fitsJson = ({ tokens, outputs, dimensions }: Attribution): boolean =>
  dimensions.length === 0 && tokens.length * outputs <= MOST_IN_JSON;

/**
 * An attribution in TokenLense's native storage schema. Scores kept per dimension go as the mean over layers and heads, the
 * L2 norm over the embedding.
 * @param options.beside The scores lie in a file beside it: then a matrix that is large, or that aggregation made infinite, is
 * left empty, which TokenLense's reader takes for a result without associations. Default false.
 */
export function toDocument(result: Attribution, options: { beside?: boolean } = {}): NativeDocument {
  const { tokens, promptLength, outputs } = result;
  const large = tokens.length * outputs > MOST_IN_JSON;
  const leftOut = options.beside && (large || !result.tokenScores.every(Number.isFinite));
  const tokenScores = leftOut ? undefined : result.tokenScores;
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
      association_matrix: tokenScores ? matrix(tokenScores) : [],
      normalized_association: tokenScores ? matrix(normalise("tokenlense", tokenScores, outputs)) : null,
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
  return value === 0 ? value : Number(value.toPrecision(9)); // toPrecision drops the sign of −0
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
