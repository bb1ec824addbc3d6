import { spawn } from "node:child_process";
import { createWriteStream } from "node:fs";
import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { cancelled, throwIfCancelled } from "../task.js";

export interface CommandOptions {
  /** Everything the command prints is appended here. */
  log: string;
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  /** Called for each line as it comes. */
  onLine?: (line: string) => void;
  /** Ends the command, which then throws as {@link throwIfCancelled}. */
  signal?: AbortSignal | undefined;
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

/** Runs a command with its output in a file. @throws CommandError, ERR_TOKENLENSE_CANCELLED */
export async function runLogged(command: string, args: readonly string[], options: CommandOptions): Promise<void> {
  throwIfCancelled(options.signal);
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
        ...(options.signal && { signal: options.signal }),
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
      child.on("error", (error) => {
        // An ended command is waited for: what it writes must not come after its folder was cleared.
        if (!options.signal?.aborted) fail(`could not be started: ${error.message}`);
      });
      child.on("close", (code, signal) => {
        if (rest) take(rest);
        if (code === 0) resolve();
        else if (options.signal?.aborted) reject(cancelled(options.signal));
        else fail(signal ? `was ended by ${signal}` : `failed with exit code ${code}`);
      });
    });
  } finally {
    await new Promise((resolve) => log.end(resolve));
  }
}
