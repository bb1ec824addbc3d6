import { spawn } from "node:child_process";
import { createWriteStream } from "node:fs";
import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";

export interface CommandOptions {
  /** Everything the command prints is appended here. */
  log: string;
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  /** Called for each line as it comes. */
  onLine?: (line: string) => void;
}

/** A command that did not end well. `tail`: the last lines it printed. */
export class CommandError extends Error {
  constructor(
    message: string,
    readonly log: string,
    readonly tail: string,
  ) {
    super(message);
  }
}

const TAIL_LINES = 30;

/** Runs a command with its output in a file. @throws CommandError */
export async function runLogged(command: string, args: readonly string[], options: CommandOptions): Promise<void> {
  await mkdir(dirname(options.log), { recursive: true });
  const log = createWriteStream(options.log, { flags: "a" });
  log.write(`$ ${[command, ...args].join(" ")}\n`);
  const tail: string[] = [];
  let rest = "";
  const take = (line: string) => {
    if (line.trim()) tail.push(line);
    if (tail.length > TAIL_LINES) tail.shift();
    options.onLine?.(line);
  };
  try {
    await new Promise<void>((resolve, reject) => {
      const child = spawn(command, args, {
        cwd: options.cwd,
        env: options.env ?? process.env,
        stdio: ["ignore", "pipe", "pipe"],
        windowsHide: true,
      });
      const fail = (what: string) => reject(new CommandError(`${command} ${what}`, options.log, tail.join("\n")));
      for (const stream of [child.stdout, child.stderr]) {
        stream.setEncoding("utf8");
        stream.on("data", (text: string) => {
          log.write(text);
          const lines = (rest + text).split(/\r?\n/);
          rest = lines.pop() ?? "";
          for (const line of lines) take(line);
        });
      }
      child.on("error", (error) => fail(`could not be started: ${error.message}`));
      child.on("close", (code, signal) => {
        if (rest) take(rest);
        if (code === 0) resolve();
        else fail(signal ? `was ended by ${signal}` : `failed with exit code ${code}`);
      });
    });
  } finally {
    await new Promise((resolve) => log.end(resolve));
  }
}
