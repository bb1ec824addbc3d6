import { TokenlenseError } from "../errors.js";
import { native } from "../install/binding.js";
import { resolveStep } from "../steps/index.js";
import { run } from "../task.js";
import { ARCHIVE_FILES, CONTRACT_HINT } from "./contract.js";
import type { Model } from "./model.js";

/**
 * Holds an archive with the minimal contract to it, by a forward pass over two tokens: anyone can write one.
 * @throws ERR_TOKENLENSE_FORMAT where a method is missing, takes or gives something else, or the vocabulary is not the contract's.
 */
export async function requireMinimal(model: Model, signal: AbortSignal | undefined): Promise<void> {
  const { vocabulary } = model.contract;
  let found: number | undefined;
  try {
    const { logits, scores } = await run(
      native().attribute(model.native, {
        ...{ kind: "perturbation", perturbation: "none", engine: "auto", memoryBudget: 2 ** 30 },
        ...{
          ids: new Int32Array(2),
          promptLength: 1,
          step: resolveStep("probability").spec,
          stepScores: [],
          logits: true,
        },
      }),
      signal,
    );
    found = logits?.shape[1];
    for (const tensor of [logits, scores]) tensor?.dispose();
  } catch (cause) {
    const { code, message } = TokenlenseError.from(cause);
    if (code !== "ERR_TOKENLENSE_NATIVE") throw cause;
    throw failed(`its methods are not those of the minimal contract: ${reason(message)}`, cause);
  }
  if (found !== vocabulary) throw failed(`it has ${found} logits, and its contract a vocabulary of ${vocabulary}`);

  function failed(what: string, cause?: unknown): TokenlenseError {
    const message = `${model.path} does not do what its ${ARCHIVE_FILES.contract} says: ${what}.`;
    return new TokenlenseError("ERR_TOKENLENSE_FORMAT", message, { hint: CONTRACT_HINT, cause });
  }
}

/** Of TorchScript's error: what went wrong, and not through which lines. */
function reason(message: string): string {
  const lines = message.split("\n").map((line) => line.trim());
  const line = lines.findLast((text) => text.startsWith("RuntimeError:")) ?? lines.find(Boolean) ?? message;
  return line.replace(/^RuntimeError: |\.$/g, "");
}
