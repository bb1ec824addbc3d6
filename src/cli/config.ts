import type { Command } from "commander";
import { TokenlenseError } from "../errors.js";
import { nearest, unknownName } from "../nearest.js";
import { exitCodes } from "./failure.js";
import { check } from "./settings/check.js";
import { projectFiles, userFile } from "./settings/files.js";
import { filesOf, fill, originOf } from "./settings/fill.js";
import { leaves, pathOf } from "./settings/hooks.js";
import { settable, variableName } from "./settings/places.js";
import { isSecret } from "./settings/schemas.js";

interface Row {
  option: string;
  key: string;
  variable: string;
  value: unknown;
  source: "default" | "env" | "config" | "none";
  /** The variable, or the file and the key in it. */
  from?: string;
}

/** What else is read from the environment, beside options. */
export const otherVariables = [
  "TOKENLENSE_CACHE",
  "TOKENLENSE_ADDON",
  "TOKENLENSE_LIBTORCH_URL",
  "TOKENLENSE_LIBTORCH_SHA256",
  "TOKENLENSE_SKIP_INSTALL",
];

/** `tokenlense config`: files and variables in force, and what options come to; exit code 2 where a command would refuse them. */
export async function configCommand(program: Command, words: readonly string[], flags: { json?: true }): Promise<void> {
  const all = leaves(program);
  const chosen = all.filter((command) => words.every((word, i) => pathOf(command)[i] === word));
  if (chosen.length === 0) {
    const names = all.map((command) => pathOf(command).join(" "));
    throw unknownName("command", words.join(" "), names);
  }
  const files = await filesOf(program);
  const commands: Report["commands"] = [];
  for (const command of chosen) {
    await fill(command);
    const problem = await check(command).then(() => undefined, TokenlenseError.from);
    commands.push({
      command: pathOf(command).join(" "),
      options: rows(command),
      ...(problem && { problem: { message: problem.message, hint: problem.hint } }),
    });
  }
  const report = { files: files.map(({ path, kind }) => ({ path, kind })), ...variablesOf(all), commands };
  process.stdout.write(flags.json ? `${JSON.stringify(report)}\n` : `${text(report, words.length > 0).join("\n")}\n`);
  if (commands.some(({ problem }) => problem)) process.exitCode = exitCodes.usage;
}

function rows(command: Command): Row[] {
  return settable(command).map((option) => {
    const key = option.attributeName();
    const origin = originOf(command, key);
    const source = command.getOptionValueSource(key) as Row["source"] | undefined;
    return {
      ...{ option: option.long ?? option.flags, key, variable: variableName(key) },
      value: isSecret(option) ? masked(command.getOptionValue(key)) : command.getOptionValue(key),
      source: source ?? "none",
      ...(origin && source !== "default" && { from: origin.place.name(key) }),
    };
  });
}

const masked = (value: unknown) => (value === undefined ? undefined : "(secret)");

/** Variables that are set, and those that nothing reads, with the name that was perhaps meant. */
function variablesOf(commands: readonly Command[]) {
  const ofOptions = commands.flatMap((command) => {
    const path = pathOf(command);
    const scopes = path.map((_, i) => path.slice(0, i + 1)).concat([[]]);
    return settable(command).flatMap((option) =>
      scopes.map((scope) => ({ option, name: variableName(option.attributeName(), scope) })),
    );
  });
  const read = new Set([...otherVariables, variableName("config"), ...ofOptions.map(({ name }) => name)]);
  const secrets = new Set(ofOptions.filter(({ option }) => isSecret(option)).map(({ name }) => name));
  const present = Object.entries(process.env).filter(([name, value]) => name.startsWith("TOKENLENSE_") && value);
  const unknown = present.map(([name]) => name).filter((name) => !read.has(name));
  return {
    variables: Object.fromEntries(
      present
        .filter(([name]) => read.has(name))
        .map(([name, value]) => [name, secrets.has(name) ? masked(value) : value]),
    ),
    unknownVariables: unknown.map((name) => ({ name, nearest: nearest(name, [...read]) })),
  };
}

interface Report extends ReturnType<typeof variablesOf> {
  files: { path: string; kind: string }[];
  /** `problem`: why the command would refuse to run so. */
  commands: { command: string; options: Row[]; problem?: { message: string; hint: string | undefined } }[];
}

function text({ files, variables, unknownVariables, commands }: Report, whole: boolean): string[] {
  const titles: Record<string, string> = { project: "the project's", user: "yours", flag: "chosen" };
  const set = (row: Row) => whole || row.from !== undefined;
  const shown = commands.filter(({ options }) => options.some(set));
  return [
    "Files",
    ...(files.length > 0
      ? files.map(({ path, kind }) => `  ${path} (${titles[kind]})`)
      : [`  none: no ${projectFiles.join(", ")} from here upwards, and no ${userFile()}`]),
    "",
    "Variables",
    ...Object.entries(variables).map(([name, value]) => `  ${name}=${value}`),
    ...unknownVariables.map(
      ({ name, nearest: [best] }) => `  ${name} is read by nothing.${best ? ` Did you mean ${best}?` : ""}`,
    ),
    ...(Object.keys(variables).length + unknownVariables.length === 0 ? ["  none"] : []),
    "",
    "Options",
    ...(shown.length === 0 ? ["  all as by default; `tokenlense config attribute` lists those of a command"] : []),
    ...shown.flatMap(({ command, options }) => [`  ${command}`, ...table(options.filter(set))]),
    ...commands.flatMap(({ command, problem }) =>
      problem
        ? [
            "",
            `\`tokenlense ${command}\` would fail: ${problem.message}`,
            ...(problem.hint ? [`  ${problem.hint}`] : []),
          ]
        : [],
    ),
  ];
}

function table(options: readonly Row[]): string[] {
  const cells = options.map(({ key, value, source, from }) => [
    key,
    value === undefined ? "" : typeof value === "string" ? value : JSON.stringify(value),
    from ?? (source === "none" ? "not set" : "default"),
  ]);
  const width = (column: number) => Math.min(40, Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  return cells.map(([key = "", value = "", from]) =>
    `    ${key.padEnd(width(0))}  ${value.padEnd(width(1))}  ${from}`.trimEnd(),
  );
}
