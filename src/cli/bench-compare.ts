import { writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { markdownTable } from "markdown-table";
import { compareReports, comparisonRows } from "../bench/compare.js";
import { machineLine } from "../bench/machine.js";
import { readReport } from "../bench/schema.js";
import { TokenlenseError } from "../errors.js";
import { reason } from "../storage/files.js";

/** `tokenlense bench compare`. */
export async function benchCompareCommand(runs: string[], flags: { html?: string; json?: true }): Promise<void> {
  if (runs.length < 2)
    throw new TokenlenseError("ERR_TOKENLENSE_INPUT", "A comparison takes two runs or more.", {
      hint: "Name the folders of two runs of `tokenlense bench`.",
    });
  const reports = await Promise.all(runs.map(readReport));
  const comparisons = compareReports(reports);
  if (comparisons.every(({ methods }) => methods.length === 0))
    throw new TokenlenseError("ERR_TOKENLENSE_INPUT", "The runs have no model, method and prompt in common.", {
      hint: "Measure the same prompts by the same methods on each machine.",
    });
  let page: string | undefined;
  if (flags.html !== undefined) {
    page = resolve(flags.html);
    const { reportPage } = await import("../bench/html.js");
    await writeFile(page, reportPage(reports, comparisons)).catch((cause: unknown) => {
      throw new TokenlenseError("ERR_TOKENLENSE_DISK", `The page could not be stored: ${reason(cause)}`, {
        hint: "Make room, or choose a folder that exists.",
        cause,
      });
    });
  }
  if (flags.json) {
    process.stdout.write(`${JSON.stringify({ runs, comparisons, ...(page && { page }) })}\n`);
    return;
  }
  const lines = [
    ...reports.map(({ system }, i) => `${i + 1}: ${runs[i]}. ${machineLine(system)}`),
    ...comparisons.flatMap((comparison) => [
      "",
      `Run ${comparison.other} against run ${comparison.base}. ${comparison.note}`,
      "",
      markdownTable(comparisonRows(comparison), { align: ["l", "l", "l", "r", "r", "r", "l"] }),
    ]),
    ...(page ? ["", `Drawn in ${page}`] : []),
  ];
  process.stdout.write(`${lines.join("\n")}\n`);
}
