import { z } from "zod";
import { TokenlenseError } from "./errors.js";
import type { Model } from "./models/model.js";

/**
 * Checks what a caller gave.
 * @throws ERR_TOKENLENSE_INPUT naming every option that is wrong.
 */
export function parseOptions<Schema extends z.ZodType>(schema: Schema, options: unknown): z.output<Schema> {
  const result = schema.safeParse(options ?? {});
  if (result.success) return result.data;
  const faults = result.error.issues.map(({ path, message }) =>
    path.length > 0 ? `${path.map(String).join(".")}: ${message}` : message,
  );
  throw new TokenlenseError("ERR_TOKENLENSE_INPUT", faults.join("; "), { cause: result.error });
}

export const tokenIds = z.custom<Int32Array>(
  (value) => value instanceof Int32Array,
  "expected an Int32Array of token ids",
);

/** The options that every function over a model and a prompt takes. */
export const promptOptions = {
  model: z.custom<Model>(isModel, "expected a model from loadModel()"),
  prompt: z.string().optional(),
  promptIds: tokenIds.optional(),
  messages: z
    .array(z.looseObject({ role: z.string(), content: z.string() }))
    .min(1)
    .optional(),
  chat: z.boolean().default(false),
  system: z.string().optional(),
  signal: z.custom<AbortSignal>(isSignal, "expected an AbortSignal").optional(),
};

export const targetOptions = { target: z.string().optional(), targetIds: tokenIds.optional() };

/** How tokens are chosen. Without a temperature, greedily. */
export const samplingOptions = {
  temperature: z.number().nonnegative().default(0),
  topK: z.int().nonnegative().default(0),
  topP: z.number().positive().max(1).default(1),
  seed: z.int().nonnegative().optional(),
  stopTokens: z.array(z.int().nonnegative()).optional(),
};

export const maxNewTokens = z.int().positive().default(32);

/** Bytes. */
export const memoryBudget = z.int().positive().optional();

/** Bytes of working memory where no budget is given: half of what is free to this process. */
export const freeForWork = (): number => Math.max(1, Math.floor(process.availableMemory() / 2));

/** A step function by its name, or with options. */
export const stepChoice = z.union([z.string(), z.looseObject({ name: z.string() })], {
  error: "expected a name, or an object with a name and options",
});

/** What libtorch calls them; which there are here, only it can say. */
export const deviceNames = ["auto", "cpu", "cuda", "mps"] as const;
const single = `(${deviceNames.slice(1).join("|")}|cuda:\\d+)`;
export const device = z
  .string()
  .regex(
    new RegExp(`^(auto|${single}(,${single})*)$`),
    'expected "auto", "cpu", "cuda", "cuda:1" or "mps", or several with commas between',
  );

/** For a callback; zod's own function schema would wrap it. */
export function callback<Callback>() {
  return z.custom<Callback>((value) => typeof value === "function", "expected a function").optional();
}

function isModel(value: unknown): boolean {
  return (
    typeof value === "object" && value !== null && "native" in value && "contract" in value && "tokenizer" in value
  );
}

function isSignal(value: unknown): boolean {
  return typeof value === "object" && value !== null && "aborted" in value && "addEventListener" in value;
}
