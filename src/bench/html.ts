import { parseHTML } from "linkedom";
import { escapeMarkup, pageHead } from "../viz/markup.js";
import { inks } from "../viz/scale.js";
import { CHANCE, chanceRows } from "./chance.js";
import { charts } from "./charts.js";
import { type Comparison, comparisonRows } from "./compare.js";
import { type Chart, draw } from "./drawing.js";
import { AGREEMENT, agreementTables, RANDOMISATION, randomisationRows } from "./likeness-text.js";
import { machineLine } from "./machine.js";
import { isMeasured, type Report } from "./schema.js";
import { byModelAndSpeed, failureLine, failuresOf, summaryRows } from "./text.js";

const { light, dark } = inks;
const variables = ({ ground, text, faint, line }: typeof light | typeof dark) =>
  `--ground:${ground};--text:${text};--faint:${faint};--line:${line}`;
const style = `:root{color-scheme:light dark;${variables(light)}}
@media (prefers-color-scheme:dark){:root{${variables(dark)}}}
body{margin:0 auto;padding:1.5rem;max-width:72rem;background:var(--ground);color:var(--text);font:15px/1.5 system-ui,sans-serif}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2.2rem}p,figcaption,dd{color:var(--faint)}
figure{margin:0}svg{--plot-background:var(--ground);max-width:100%;height:auto}
.scroll{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.9rem}
th,td{padding:.25rem .7rem;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
th{font-weight:600}.names1 :is(th,td):first-child,.names2 :is(th,td):nth-child(-n+2){text-align:left}
pre{white-space:pre-wrap;overflow-wrap:anywhere;font-size:.85rem}dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem}dt{font-weight:600}dd{margin:0;overflow-wrap:anywhere}`;
/** Of a drawing, CSS pixels. */
const WIDTH = 760;
const policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/**
 * A page by itself, without scripts: pictures and tables of a run, or of several and how they compare. Light or dark as the
 * reader's system.
 */
export function reportPage(reports: readonly Report[], comparisons: readonly Comparison[] = []): string {
  const title = reports.length > 1 ? `${reports.length} benchmark runs` : "Attribution benchmark";
  return [
    ...pageHead({ title, policy, style }),
    `<main><h1>${title}</h1>`,
    ...reports.map((report, i) => `<p>${reports.length > 1 ? `${i + 1}: ` : ""}${escapeMarkup(about(report))}</p>`),
    ...comparisons.map(comparisonSection),
    ...charts(reports).map(chartSection),
    ...reports.map((report, i) => tables(report, reports.length > 1 ? ` of run ${i + 1}` : "")),
    "</main>",
    "</html>\n",
  ].join("\n");
}

function chartSection(chart: Chart): string {
  const { title, caption } = chart;
  const { document } = parseHTML("<!doctype html><html><body></body></html>");
  const drawing = draw(chart, { width: WIDTH, document }).outerHTML;
  return `<section><h2>${title}</h2><figure role="img" aria-label="${escapeMarkup(`${title}. ${caption}`)}"><div aria-hidden="true">${drawing}</div></figure><p>${caption}</p></section>`;
}

function about(report: Report): string {
  const { system, started, ended, rows, cells, models } = report;
  const names = models.map(({ name, dtype, device }) => `${name} (${dtype}, ${device})`).join(", ");
  const measured = rows.filter(isMeasured).length;
  const stopped = ended === null ? ", stopped before its end" : "";
  return `${started.slice(0, 16).replace("T", " ")} UTC. ${names || "No model was loaded"}. ${measured} of ${cells} cells measured${stopped}. ${machineLine(system)}.`;
}

function tables(report: Report, of: string): string {
  const { prompts } = report;
  const failures = failuresOf(report);
  const perMethod = summaryRows(byModelAndSpeed(report.methods), (s) => [s.model ?? "", s.method ?? ""], [
    "model",
    "method",
  ]);
  const perPrompt = summaryRows(report.byPrompt, (s) => [prompts[s.prompt ?? 0]?.name ?? ""], ["prompt"]);
  const perModel = summaryRows(report.byModel, (s) => [s.model ?? ""], ["model"]);
  return [
    `<h2>Methods${of}</h2><p>Medians over prompts and repeats.</p>${table(`Methods${of}`, perMethod, 2)}`,
    `<h2>Models${of}</h2>${table(`Models${of}`, perModel, 1)}`,
    `<h2>Prompts${of}</h2>${table(`Prompts${of}`, perPrompt, 1)}`,
    ...(report.faithfulness.length > 0
      ? [`<h2>Beyond chance${of}</h2><p>${CHANCE}</p>${table(`Beyond chance${of}`, chanceRows(report), 2)}`]
      : []),
    ...agreementTables(report).map(({ model, rows }) => {
      const title = `Agreement of methods on ${escapeMarkup(model)}${of}`;
      return `<h2>${title}</h2><p>${AGREEMENT}</p>${table(title, rows, 1)}`;
    }),
    ...(report.randomisationMeans.length > 0
      ? [
          `<h2>Random weights${of}</h2><p>${RANDOMISATION}</p>${table(`Random weights${of}`, randomisationRows(report), 2)}`,
        ]
      : []),
    ...(failures.length > 0
      ? [`<h2>Failures${of}</h2><pre>${failures.map((row) => escapeMarkup(failureLine(row, report))).join("\n")}</pre>`]
      : []),
    `<h2>System${of}</h2>${definitions({ ...report.system, ...report.options })}`,
  ].join("\n");
}

function comparisonSection(comparison: Comparison): string {
  const title = `Run ${comparison.other} against run ${comparison.base}`;
  return `<section><h2>${title}</h2><p>${escapeMarkup(comparison.note)}</p>${table(title, comparisonRows(comparison), 2)}</section>`;
}

/** `names` columns of names, then figures. */
function table(name: string, [head = [], ...rows]: string[][], names: 1 | 2): string {
  const cells = (tag: string, row: string[]) => row.map((cell) => `<${tag}>${escapeMarkup(cell)}</${tag}>`).join("");
  const body = rows.map((row) => `<tr>${cells("td", row)}</tr>`).join("\n");
  return `<div class="scroll" role="region" aria-label="${name}" tabindex="0"><table class="names${names}"><thead><tr>${cells("th", head)}</tr></thead><tbody>${body}</tbody></table></div>`;
}

function definitions(values: Record<string, unknown>): string {
  const text = (value: unknown) => (typeof value === "object" ? JSON.stringify(value) : String(value));
  const entries = Object.entries(values).map(
    ([name, value]) => `<dt>${name}</dt><dd>${escapeMarkup(text(value))}</dd>`,
  );
  return `<dl>${entries.join("")}</dl>`;
}
