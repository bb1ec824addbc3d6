import { z } from "zod";
import { methods } from "../methods/index.js";
import { steps } from "../steps/index.js";

/** `tokenlense methods`: what can be attributed, and how. */
export function methodsCommand(flags: { json?: true }): void {
  const listed = Object.values(methods).map(({ name, summary, step, paper, options }) => ({
    name,
    summary,
    step,
    paper,
    options: z.toJSONSchema(options, { io: "input" }).properties ?? {},
  }));
  const functions = Object.values(steps).map(({ name, summary }) => ({ name, summary }));
  if (flags.json) {
    process.stdout.write(`${JSON.stringify({ methods: listed, steps: functions })}\n`);
    return;
  }
  const lines = [
    "Methods (--method)",
    ...listed.flatMap(({ name, summary, step, paper, options }) => [
      `  ${name}`,
      `      ${summary}`,
      `      step function: ${step}${Object.entries(options).map(describe).join("")}`,
      `      ${paper.title}. ${paper.url}`,
    ]),
    "",
    "Step functions (--step)",
    ...functions.map(({ name, summary }) => `  ${name.padEnd(14)}${summary}`),
  ];
  process.stdout.write(`${lines.join("\n")}\n`);
}

function describe([name, schema]: [string, z.core.JSONSchema._JSONSchema]): string {
  if (typeof schema === "boolean") return `; ${name}`;
  const values = schema.enum ?? (schema.const === undefined ? [] : [schema.const]);
  return `; ${name}: ${values.length > 0 ? values.join(" | ") : schema.type} (default ${schema.default})`;
}
