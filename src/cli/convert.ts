import { TokenlenseError } from "../errors.js";
import type { InseqOptions } from "../storage/inseq-write.js";

export interface ConvertFlags extends InseqOptions {
  to?: "native" | "inseq";
  output: string;
  json?: true;
}

/** `tokenlense convert`: a file for each sequence, all read before the first is stored. */
export async function convertCommand(file: string, flags: ConvertFlags): Promise<void> {
  const { openResults, save } = await import("../storage/results.js");
  const { format, sequences } = await openResults(file);
  const { to = format === "native" ? "inseq" : "native", output, layout, compress } = flags;
  if (to === "native" && (layout || compress))
    throw new TokenlenseError("ERR_TOKENLENSE_INPUT", "--layout and --compress are for Inseq files.", {
      hint: "Add --to inseq.",
    });
  const files: string[] = [];
  for (const result of await Promise.all(sequences.map((sequence) => sequence())))
    files.push(await save(result, output, to === "native" ? {} : { format: to, layout, compress }));
  process.stdout.write(
    flags.json
      ? `${JSON.stringify({ from: format, to, files })}\n`
      : files.map((stored) => `Stored in ${stored}\n`).join(""),
  );
}
