import { describeMethods, type OptionSchema } from "../methods/describe.js";
import { paragraph } from "../viz/text.js";

/** `tokenlense methods`: what can be attributed, and how. */
export function methodsCommand(flags: { json?: true }): void {
  const described = describeMethods();
  if (flags.json) {
    process.stdout.write(`${JSON.stringify(described)}\n`);
    return;
  }
  const { methods: listed, costs, steps: functions } = described;
  const columns = Math.max(60, Math.min(process.stdout.columns ?? 100, 120));
  const indented = (text: string) => paragraph(text.split(" "), " ", columns - 6).map((line) => `      ${line}`);
  const lines = [
    "Methods (--method), each with its options (--option name=value)",
    ...listed.flatMap(({ name, summary, step, cost, paper, options }) => [
      `  ${name}`,
      ...indented(summary),
      ...indented(`step function: ${step} · cost: ${costs[cost]}`),
      ...Object.entries(options).flatMap((entry) => indented(describe(entry))),
      ...indented(`${paper.title}. ${paper.url}`),
    ]),
    "",
    "Step functions (--step, --step-score), with options as in kl_divergence:topK=10",
    ...functions.flatMap(({ name, summary, options, contrastive, differentiable }) => [
      `  ${name}`,
      ...indented(`${summary}${contrastive ? " Needs --contrast." : ""}${differentiable ? "" : " Has no gradient."}`),
      ...Object.entries(options).flatMap((entry) => indented(describe(entry))),
    ]),
  ];
  process.stdout.write(`${lines.join("\n")}\n`);
}

function describe([name, schema]: [string, OptionSchema]): string {
  if (typeof schema === "boolean") return name;
  const about = schema.description ? `: ${schema.description}` : "";
  const initial =
    schema.default === undefined ? "" : ` (default ${JSON.stringify(schema.default).replaceAll('"', "")})`;
  return `${name}: ${kind(schema)}${initial}${about}`;
}

function kind(schema: Exclude<OptionSchema, boolean>): string {
  if (schema.enum) return schema.enum.join(" | ");
  if (schema.anyOf) return schema.anyOf.map((part) => (typeof part === "boolean" ? "" : kind(part))).join(" | ");
  if (schema.type === "object") return `{ ${Object.keys(schema.properties ?? {}).join(", ")} }`;
  if (schema.type === "array") return "list";
  return schema.const === undefined ? `${schema.type}` : `${schema.const}`;
}
