import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { TokenlenseError } from "../errors.js";
import { reason } from "../storage/files.js";
import { csvFiles } from "./csv.js";
import { scaleTable } from "./scale.js";
import { REPORT_FILE, type Report } from "./schema.js";
import { errorLog, summaryText } from "./text.js";

/** The page of a run, in its folder. */
export const PAGE_FILE = "report.html";

/** What is printed of a run, and kept as its summary. */
export const reportText = (report: Report): string =>
  report.kind === "scale" ? scaleTable(report) : summaryText(report);

/**
 * Writes a run into its folder: report.json, report.html, summary.txt, the CSV files, system.json and errors.log. What an
 * earlier report of the same run left is replaced.
 * @throws ERR_TOKENLENSE_DISK
 */
export async function writeReport(folder: string, report: Report): Promise<void> {
  const { reportPage } = await import("./html.js");
  const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;
  const files: Record<string, string> = {
    [REPORT_FILE]: json(report),
    [PAGE_FILE]: reportPage([report]),
    "summary.txt": `${reportText(report)}\n`,
    "system.json": json(report.system),
    "errors.log": errorLog(report),
    ...csvFiles(report),
  };
  try {
    await mkdir(folder, { recursive: true });
    for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content);
  } catch (cause) {
    throw new TokenlenseError("ERR_TOKENLENSE_DISK", `The report could not be stored in ${folder}: ${reason(cause)}`, {
      hint: "Make room; the same command with --resume writes it from what was measured.",
      cause,
    });
  }
}
