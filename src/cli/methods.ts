import { z } from "zod";
import { methods } from "../methods/index.js";
import { costs } from "../methods/method.js";
import { steps } from "../steps/index.js";
import { paragraph } from "../viz/text.js";

type Property = z.core.JSONSchema._JSONSchema;

/** `tokenlense methods`: what can be attributed, and how. */
export function methodsCommand(flags: { json?: true }): void {
  const listed = Object.values(methods).map(({ name, summary, step, steps, cost, paper, options }) => ({
    name,
    summary,
    step,
    ...(steps && { steps }),
    cost,
    paper,
    options: properties(options),
  }));
  const functions = Object.values(steps).map(({ name, summary, options, contrastive, flat }) => ({
    name,
    summary,
    contrastive: contrastive ?? false,
    differentiable: !flat,
    options: options ? properties(options) : {},
  }));
  if (flags.json) {
    process.stdout.write(`${JSON.stringify({ methods: listed, costs, steps: functions })}\n`);
    return;
  }
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

function properties(options: z.ZodType): Record<string, Property> {
  return z.toJSONSchema(options, { io: "input" }).properties ?? {};
}

function describe([name, schema]: [string, Property]): string {
  if (typeof schema === "boolean") return name;
  const about = schema.description ? `: ${schema.description}` : "";
  const initial =
    schema.default === undefined ? "" : ` (default ${JSON.stringify(schema.default).replaceAll('"', "")})`;
  return `${name}: ${kind(schema)}${initial}${about}`;
}

function kind(schema: Exclude<Property, boolean>): string {
  if (schema.enum) return schema.enum.join(" | ");
  if (schema.anyOf) return schema.anyOf.map((part) => (typeof part === "boolean" ? "" : kind(part))).join(" | ");
  if (schema.type === "object") return `{ ${Object.keys(schema.properties ?? {}).join(", ")} }`;
  if (schema.type === "array") return "list";
  return schema.const === undefined ? `${schema.type}` : `${schema.const}`;
}
