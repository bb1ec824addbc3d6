import type { Argument, Command, Option } from "commander";

export type Shell = "bash" | "zsh" | "fish";

interface Candidate {
  text: string;
  about: string;
}

/** `tokenlense completion`: the script, or with `words`, as the script calls it, what could stand for the last. */
export async function completionCommand(
  program: Command,
  shell: Shell,
  words: readonly string[],
  flags: { json?: true },
): Promise<void> {
  if (words.length === 0) {
    const { scripts } = await import("./completion-scripts.js");
    const script = scripts[shell];
    process.stdout.write(flags.json ? `${JSON.stringify({ shell, script })}\n` : script);
    return;
  }
  const whole = shell === "bash" ? joined(words) : words;
  const found = await candidates(program, whole);
  const parted = (words.at(-1) ?? "").replace(/^[=:]$/, "");
  const taken = (whole.at(-1) ?? "").length - parted.length;
  if (flags.json) process.stdout.write(`${JSON.stringify({ shell, candidates: found })}\n`);
  else process.stdout.write(found.map((candidate) => `${line(candidate, shell, taken)}\n`).join(""));
}

/** What could stand for the last word. Nothing where that is the shell's to say: a file, or free text. */
export async function candidates(program: Command, words: readonly string[]): Promise<Candidate[]> {
  const before = words.slice(0, -1);
  const last = words.at(-1) ?? "";
  const { command, waiting, operands } = walk(program, before);
  const [, flag, begun] = /^(--[^=]+)=(.*)$/s.exec(last) ?? [];
  const assigned = flag === undefined ? undefined : findOption(command, flag);
  if (flag !== undefined && begun !== undefined) {
    const values = assigned ? await valuesOf(assigned, program) : [];
    return beginning(values, begun).map(({ text, about }) => ({ text: `${flag}=${text}`, about }));
  }
  if (waiting && !(waiting.variadic && last.startsWith("-"))) return beginning(await valuesOf(waiting, program), last);
  if (last.startsWith("-")) return beginning(optionsOf(command), last);
  const commands = operands === 0 ? visible(command) : [];
  const argument = command.registeredArguments[operands] ?? command.registeredArguments.at(-1);
  const takes = argument && (argument.variadic || operands < command.registeredArguments.length);
  return beginning([...commands, ...(takes ? await valuesOf(argument, program) : [])], last);
}

/** Reads words as commander would: the command, the option that waits for a value, and how many arguments there were. */
function walk(program: Command, words: readonly string[]) {
  let command = program;
  let waiting: Option | undefined;
  let operands = 0;
  for (const word of words) {
    const flag = /^-./.test(word);
    const below = command.commands.find((candidate) => candidate.name() === word);
    if (flag) waiting = takingValue(findOption(command, word));
    else if (waiting) waiting = waiting.variadic ? waiting : undefined;
    else if (below && operands === 0) command = below;
    else operands++;
  }
  return { command, waiting, operands };
}

const takingValue = (option: Option | undefined) => (option?.required ? option : undefined);
const lineage = (command: Command): Command[] => (command.parent ? [command, ...lineage(command.parent)] : [command]);
const findOption = (command: Command, flag: string) =>
  lineage(command)
    .flatMap(({ options }) => options)
    .find(({ long, short }) => long === flag || short === flag);

function optionsOf(command: Command): Candidate[] {
  const all = lineage(command).flatMap((one) => one.createHelp().visibleOptions(one));
  return [
    ...new Map(all.map((option) => [option.long, { text: option.long ?? "", about: option.description }])).values(),
  ];
}

const visible = (command: Command): Candidate[] =>
  command
    .createHelp()
    .visibleCommands(command)
    .map((one) => ({ text: one.name(), about: one.description() }));

const beginning = (all: readonly Candidate[], text: string) => all.filter((one) => one.text.startsWith(text));
const plain = (texts: readonly string[], about = ""): Candidate[] => texts.map((text) => ({ text, about }));

/** By the option's or the argument's name, whatever the command. */
const known: Readonly<Record<string, (program: Command) => Promise<Candidate[]>>> = {
  method: async () => summaries((await import("../methods/index.js")).methods),
  step: async () => summaries((await import("../steps/index.js")).steps),
  command: async (program) => visible(program),
  device: async () => plain((await import("../options.js")).deviceNames),
  model: async () => {
    const [{ KNOWN_MODELS }, { cachedModels }] = await Promise.all([
      import("../models/sources.js"),
      import("../models/catalogue.js"),
    ]);
    const cached = (await cachedModels()).map(({ name }) => name);
    return plain([...new Set([...Object.keys(KNOWN_MODELS), ...cached])]);
  },
};
const meaning: Readonly<Record<string, string>> = { stepScore: "step", sensitivity: "step" };

async function valuesOf(taker: Option | Argument, program: Command): Promise<Candidate[]> {
  if (taker.argChoices) return plain(taker.argChoices);
  const name = "attributeName" in taker ? taker.attributeName() : taker.name();
  const list = known[meaning[name] ?? name];
  return list ? await list(program) : [];
}

const summaries = (registry: Readonly<Record<string, { name: string; summary: string }>>) =>
  Object.values(registry).map(({ name, summary }) => ({ text: name, about: summary }));

/** bash parts words at "=" and ":", and gives the parts. */
function joined(words: readonly string[]): string[] {
  const whole: string[] = [];
  for (const [i, word] of words.entries()) {
    const joins = ["=", ":"].includes(word) || ["=", ":"].includes(words[i - 1] ?? "");
    if (joins && whole.length > 0) whole.push(`${whole.pop()}${word}`);
    else whole.push(word);
  }
  return whole;
}

/** `taken`: how much of it bash does not replace, as its word begins later. */
function line({ text, about }: Candidate, shell: Shell, taken: number): string {
  const summary = about.replaceAll(/\s+/g, " ");
  if (shell === "fish") return summary ? `${text}\t${summary}` : text;
  if (shell === "zsh") return `${text.replaceAll(/[\\:]/g, "\\$&")}${summary && `:${summary}`}`;
  return text.slice(taken);
}
