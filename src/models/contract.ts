import { z } from "zod";
import { TokenlenseError } from "../errors.js";
import { problems } from "./checkpoint.js";

/** Names of the contract's files inside an archive. */
export const ARCHIVE_FILES = {
  contract: "tokenlense/contract.json",
  tokenizer: "tokenlense/tokenizer.json",
  tokenizerConfig: "tokenlense/tokenizer_config.json",
} as const;

/** What weights may be kept in; all work is float32 whichever it is. */
export const DTYPES = ["float32", "bfloat16", "float16"] as const;
export type Dtype = (typeof DTYPES)[number];

const size = z.int().positive();
const token = z.int().nonnegative();

/** How a .pt file comes to one, for errors. */
export const CONTRACT_HINT =
  "Give a GGUF file or a Hugging Face folder, from which an archive is built, or write one with `tokenlense export`. A TorchScript module of your own" +
  ` needs the methods embed(ids), hidden(embeddings, mask) and logits(hidden) and the extra files ${Object.values(ARCHIVE_FILES).join(", ")}: python/example_contract.py writes one.`;

/** The one contract version that this package writes and reads. */
export const CONTRACT_VERSION = 1;

/**
 * What an archive says of itself, kept in it as `tokenlense/contract.json`.
 *
 * - `contract`: "minimal" has `embed`, `hidden` and `logits`; "layered" has `embed`, `layer`, `final` and `logits`.
 * - Sizes are those of the Llama family's paper: `hidden` is the width inside the MLP, `context` the most tokens of
 *   prompt and target together.
 * - `tokens.eos`: generation ends before any of these. `addBos`: the tokenizer puts `tokens.bos` first.
 * - `source`: what the archive was made from; `sha256` is the digest of that file, or of a folder's files in order.
 * - `methods`: TorchScript methods of the module.
 */
export const contractSchema = z.object({
  version: z.literal(CONTRACT_VERSION),
  family: z.string().min(1),
  contract: z.enum(["layered", "minimal"]),
  layers: size,
  heads: size,
  kvHeads: size,
  headDim: size,
  width: size,
  hidden: size,
  vocabulary: size,
  context: size,
  dtype: z.enum(DTYPES),
  tokens: z.object({
    bos: token.nullish(),
    eos: z.array(token),
    pad: token.nullish(),
    unk: token.nullish(),
  }),
  addBos: z.boolean(),
  chatTemplate: z.string().nullish(),
  source: z.object({
    name: z.string(),
    file: z.string().optional(),
    sha256: z.string().regex(/^[0-9a-f]{64}$/),
  }),
  methods: z.array(z.string()),
});

/** See {@link contractSchema}. */
export type Contract = z.infer<typeof contractSchema>;

/**
 * Reads a contract out of an archive.
 * @param text of `tokenlense/contract.json`; empty where the archive has none.
 * @param path of the archive, for messages.
 * @throws ERR_TOKENLENSE_FORMAT where there is no contract, or it is not one that this version reads.
 */
export function parseContract(text: string, path: string): Contract {
  if (text === "") {
    throw new TokenlenseError(
      "ERR_TOKENLENSE_FORMAT",
      `${path} has no ${ARCHIVE_FILES.contract}: it is not an archive of this package.`,
      { hint: CONTRACT_HINT },
    );
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new TokenlenseError("ERR_TOKENLENSE_FORMAT", `${ARCHIVE_FILES.contract} in ${path} is not JSON.`, { cause });
  }
  const parsed = contractSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const version = (value as { version?: unknown } | null)?.version;
  throw new TokenlenseError(
    "ERR_TOKENLENSE_FORMAT",
    `${ARCHIVE_FILES.contract} in ${path} does not hold: ${problems(parsed.error)}`,
    {
      hint:
        typeof version === "number" && version > CONTRACT_VERSION
          ? `It is of contract version ${version}; this package reads version ${CONTRACT_VERSION}. Update the package.`
          : "Build the archive anew from its source.",
      cause: parsed.error,
    },
  );
}
