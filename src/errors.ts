/** Every error this package throws on purpose carries one of these codes. */
export type ErrorCode =
  /** An argument has the wrong type, shape or range. */
  | "ERR_TOKENLENSE_INPUT"
  /** The AbortSignal fired. `cause` is the signal's reason. */
  | "ERR_TOKENLENSE_CANCELLED"
  /** A file that was named does not exist or cannot be read. */
  | "ERR_TOKENLENSE_FILE"
  /** A model or result file is damaged, cut short or not what its name says. */
  | "ERR_TOKENLENSE_FORMAT"
  /** A quantisation (GGUF tensor type) that this version cannot read. */
  | "ERR_TOKENLENSE_QUANTISATION"
  /** A model architecture that no family covers. */
  | "ERR_TOKENLENSE_ARCHITECTURE"
  /** A model name that is not known, here or on the Hugging Face hub. */
  | "ERR_TOKENLENSE_MODEL"
  /** The Hugging Face hub refuses access: a gated repository, a token that is missing, wrong or of too few rights. */
  | "ERR_TOKENLENSE_ACCESS"
  /** The model lacks something that the method needs. */
  | "ERR_TOKENLENSE_CAPABILITY"
  /** The prompt is empty. */
  | "ERR_TOKENLENSE_PROMPT"
  /** The target does not begin with the prompt, or adds nothing to it. */
  | "ERR_TOKENLENSE_TARGET"
  /** Prompt and target together are longer than the model's context. */
  | "ERR_TOKENLENSE_CONTEXT"
  /** A score, gradient or logit is NaN or infinite; the message names the step. */
  | "ERR_TOKENLENSE_NON_FINITE"
  /** The run cannot fit in the memory budget; the message says what would. */
  | "ERR_TOKENLENSE_MEMORY"
  /** Writing failed: disk full, no permission. */
  | "ERR_TOKENLENSE_DISK"
  /** libtorch was not found, or is of another version. */
  | "ERR_TOKENLENSE_LIBTORCH"
  /** The addon could not be loaded or compiled. */
  | "ERR_TOKENLENSE_ADDON"
  /** No Python that the exporter can run on. */
  | "ERR_TOKENLENSE_PYTHON"
  /** A download failed or its digest is wrong. */
  | "ERR_TOKENLENSE_DOWNLOAD"
  /** The object was disposed of before this call. */
  | "ERR_TOKENLENSE_DISPOSED"
  /** The server has no such path, job or result. */
  | "ERR_TOKENLENSE_NOT_FOUND"
  /** The server's token is missing or wrong. */
  | "ERR_TOKENLENSE_TOKEN"
  /** A request to a server on loopback names another host: a page elsewhere may have been led here. */
  | "ERR_TOKENLENSE_HOST"
  /** The server's queue, or one client's share of it, is full. */
  | "ERR_TOKENLENSE_BUSY"
  /** The server is stopping, and takes no more jobs. */
  | "ERR_TOKENLENSE_STOPPING"
  /** libtorch itself failed; the message is its own. */
  | "ERR_TOKENLENSE_NATIVE";

/** An error with a stable `code` and, where there is one, a `hint`: what to do about it. */
export class TokenlenseError extends Error {
  override readonly name = "TokenlenseError";
  readonly code: ErrorCode;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, options: { hint?: string | undefined; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
  }

  /** The addon rejects with plain errors that carry `code` and `hint`; users see one class everywhere. */
  static from(error: unknown): TokenlenseError {
    if (error instanceof TokenlenseError) return error;
    if (error instanceof Error) {
      const { code, hint } = error as Error & { code?: unknown; hint?: unknown };
      const known = typeof code === "string" && code.startsWith("ERR_TOKENLENSE_");
      return new TokenlenseError(known ? (code as ErrorCode) : "ERR_TOKENLENSE_NATIVE", error.message, {
        hint: typeof hint === "string" ? hint : undefined,
        cause: error,
      });
    }
    return new TokenlenseError("ERR_TOKENLENSE_NATIVE", String(error), { cause: error });
  }
}
