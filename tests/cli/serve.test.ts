import type { ChildProcess } from "node:child_process";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { JobView } from "../../src/server/jobs/job.js";
import { temporaryFolder, writeTinyModel } from "../tiny-model.js";
import { type CommandOptions, tokenlense } from "./command.js";

const folder = temporaryFolder();
const model = writeTinyModel(folder);
const options: CommandOptions = { cwd: folder, env: { XDG_CONFIG_HOME: folder } };

/** Starts `tokenlense serve`, and gives its address as soon as it listens. */
function serving(args: string[], env: NodeJS.ProcessEnv = {}) {
  let child: ChildProcess | undefined;
  let url: Promise<string> | undefined;
  const outcome = tokenlense(["serve", "results", "--port", "0", "--model", model, "--json", ...args], {
    ...options,
    env: { ...options.env, ...env },
    onStart(started) {
      child = started;
      url = new Promise((resolve) => {
        started.stdout?.once("data", (text: string) => resolve(JSON.parse(text.split("\n")[0] ?? "").url));
      });
    },
  });
  return { outcome, url: url as Promise<string>, kill: (signal: NodeJS.Signals) => child?.kill(signal) };
}

const post = async (url: string, body: object): Promise<JobView> => {
  const headers = { "content-type": "application/json" };
  return (await fetch(`${url}/attributions`, { method: "POST", headers, body: JSON.stringify(body) })).json() as never;
};
const get = async (url: string): Promise<JobView> => (await fetch(url)).json() as never;

describe("tokenlense serve", () => {
  it("ends at SIGTERM and Ctrl-C with its jobs recorded, and goes on with them", async () => {
    const first = serving(["--grace", "0", "--concurrency", "1"]);
    const url = await first.url;
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    const slow = {
      model,
      prompt: "word ".repeat(12),
      target: "word ".repeat(16),
      method: "sequential_integrated_gradients",
    };
    const job = await post(url, { ...slow, options: { steps: 6 } });
    await expect
      .poll(() => get(`${url}/attributions/${job.id}`), { timeout: 20_000 })
      .toMatchObject({ state: "running" });
    first.kill("SIGTERM");
    expect(await first.outcome).toMatchObject({ code: 0 });

    const second = serving([]);
    const again = `${await second.url}/attributions/${job.id}`;
    await expect.poll(() => get(again), { timeout: 30_000 }).toMatchObject({ state: "done" });
    second.kill("SIGINT");
    const { code, stderr } = await second.outcome;
    expect(code).toBe(0);
    const logged = stderr
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(logged).toContainEqual(expect.objectContaining({ msg: "A job ended.", job: job.id, state: "done" }));
    expect(stderr).not.toContain("word word");
  });

  it("takes its token from the environment, and none beyond loopback is a wrong argument", async () => {
    const refused = await serving(["--host", "0.0.0.0"]).outcome;
    expect(refused.code).toBe(2);
    expect(JSON.parse(refused.stdout)).toMatchObject({ error: { code: "ERR_TOKENLENSE_INPUT" } });
    const open = serving([], { TOKENLENSE_SERVE_TOKEN: "a-token-of-some-length", TOKENLENSE_SERVE_LOG: "silent" });
    expect((await fetch(`${await open.url}/results`)).status).toBe(401);
    open.kill("SIGTERM");
    const { code, stdout, stderr } = await open.outcome;
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(JSON.parse(stdout)).toMatchObject({ page: `${await open.url}/ui/` });
  });

  it("keeps its token out of what `config` shows", async () => {
    const env = { ...options.env, TOKENLENSE_SERVE_TOKEN: "a-token-of-some-length" };
    for (const form of [[], ["--json"]]) {
      const { code, stdout } = await tokenlense(["config", "serve", ...form], { ...options, env });
      expect({ code, stdout }).toEqual({
        code: 0,
        stdout: expect.stringMatching(/TOKENLENSE_SERVE_TOKEN.*\(secret\)/s),
      });
      expect(stdout).not.toContain("a-token");
    }
  });

  it("says what is wrong with its options before it listens", async () => {
    for (const [args, message] of [
      [["--port", "70000"], "--port"],
      [["--host", "example.org"], "--host"],
      [["--token", "short"], "--token"],
      [["--queue-limit", "0"], "--queue-limit"],
      [["--origin", "http://a/b"], "--origin"],
      [["--concurrency", "0"], "--concurrency"],
    ] as const) {
      const { code, stdout } = await tokenlense(["serve", join(folder, "none"), ...args, "--json"], options);
      expect([args, code, JSON.parse(stdout).error.message]).toEqual([args, 2, expect.stringContaining(message)]);
    }
  });
});
