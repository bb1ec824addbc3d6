import { CommanderError } from "commander";
import { TokenlenseError } from "../errors.js";

export const exitCodes = { done: 0, failed: 1, usage: 2, cancelled: 130 } as const;

const meanings: Readonly<Record<keyof typeof exitCodes, string>> = {
  done: "done",
  failed: "an error",
  usage: "a wrong argument, variable or configuration",
  cancelled: "cancelled with Ctrl-C",
};

/** For the end of each command's help. */
export const exitCodesText = `
Exit codes: ${Object.entries(meanings)
  .map(([name, meaning]) => `${exitCodes[name as keyof typeof exitCodes]} ${meaning}`)
  .join(", ")}.`;

/** Tells the user what went wrong, on stderr or as JSON on stdout, and gives the exit code. */
export function report(thrown: unknown, json: boolean): number {
  // commander has printed its own message, and --help and --version come this way too.
  if (thrown instanceof CommanderError) {
    if (thrown.exitCode === 0) return exitCodes.done;
    if (json) print({ code: "ERR_TOKENLENSE_INPUT", message: thrown.message.replace(/^error: /, "") });
    return exitCodes.usage;
  }
  const error = TokenlenseError.from(thrown);
  const { code, message, hint } = error;
  if (json) print({ code, message, hint });
  else {
    process.stderr.write(`tokenlense: ${message} (${code})\n${hint === undefined ? "" : `  ${hint}\n`}`);
    // Not one of ours: whoever reports it will want to say where it came from.
    if (code === "ERR_TOKENLENSE_NATIVE" && error.cause instanceof Error)
      process.stderr.write(`${error.cause.stack}\n`);
  }
  if (code === "ERR_TOKENLENSE_CANCELLED") return exitCodes.cancelled;
  return code === "ERR_TOKENLENSE_INPUT" ? exitCodes.usage : exitCodes.failed;
}

function print(error: { code: string; message: string; hint?: string | undefined }): void {
  process.stdout.write(`${JSON.stringify({ error })}\n`);
}
