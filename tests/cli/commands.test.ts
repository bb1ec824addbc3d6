import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { exitCodes } from "../../src/cli/failure.js";
import { tokenlense } from "./command.js";

const folder = mkdtempSync(join(tmpdir(), "tokenlense-commands-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const options = { cwd: folder, env: { XDG_CONFIG_HOME: folder } };

/** As the built command line itself lists them: ["attribute"], ["models", "build"], … */
let commands: string[][] = [];
beforeAll(async () => {
  const { stdout } = await tokenlense(["config", "--json"], options);
  const listed = JSON.parse(stdout) as { commands: { command: string }[] };
  commands = listed.commands.map(({ command }) => command.split(" "));
});

/** Runs `check` for each command, and names those that fail it. */
async function each(check: (command: string[]) => Promise<void>): Promise<void> {
  expect(commands.length).toBeGreaterThan(10);
  const failed: string[] = [];
  for (const command of commands)
    await check(command).catch((error: Error) => failed.push(`${command.join(" ")}: ${error.message}`));
  expect(failed).toEqual([]);
}

describe("every command", () => {
  it("has in its help what it does, what each option does, an example, --json, --config and the exit codes", async () => {
    await each(async (command) => {
      const { code, stdout, stderr } = await tokenlense([...command, "--help"], options);
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      const [usage, , about] = stdout.split("\n");
      expect(usage).toContain(`Usage: tokenlense ${command.join(" ")} `);
      expect(about).toMatch(/^\w.+/);
      for (const [line] of stdout.matchAll(/^ {2}-.*$/gm)) expect(line).toMatch(/^ {2}-\S.* {2,}\S/);
      expect(stdout).toMatch(/^ {2}--json /m);
      expect(stdout).toMatch(/^ {2}--config <file> /m);
      expect(stdout).toMatch(/^Example: \S/m);
      expect(stdout).toContain(`tokenlense ${command.join(" ")}`);
      for (const number of Object.values(exitCodes))
        expect(stdout.split("Exit codes:")[1]).toMatch(new RegExp(`\\b${number} \\w`));
    });
  });

  it("tells what is wrong as JSON on stdout with --json, exit code 2", async () => {
    await each(async (command) => {
      const { code, stdout } = await tokenlense([...command, "--json", "--no-such-option"], options);
      expect(code).toBe(exitCodes.usage);
      expect(JSON.parse(stdout)).toEqual({
        error: { code: "ERR_TOKENLENSE_INPUT", message: expect.stringMatching(/--no-such-option|not specified/) },
      });
    });
  });
});

it("errors are JSON where a variable asks for it", async () => {
  const env = { ...options.env, TOKENLENSE_JSON: "1", TOKENLENSE_METHOD: "salience" };
  const { code, stdout, stderr } = await tokenlense(["attribute", "x"], { ...options, env });
  expect({ code, stderr }).toEqual({ code: 2, stderr: "" });
  expect(JSON.parse(stdout)).toEqual({
    error: {
      code: "ERR_TOKENLENSE_INPUT",
      message: 'TOKENLENSE_METHOD: Unknown method "salience".',
      hint: "Did you mean saliency?",
    },
  });
});
