/**
 * How soon the server answers /health while four attributions run, asked every 5 ms from another process, by
 * `tsc -p tsconfig.bench.json && npm run build && node build-bench/bench/server.js`. Beside it, how long the event loop's
 * thread waited for a core, as Linux counts it: that part is other work's on the machine, not the loop's.
 */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { setTimeout as delay } from "node:timers/promises";
import { packageRoot } from "../src/install/package.js";
import { MODEL } from "./environment.js";
import { LARGE_SIZE } from "./texts.js";

const folder = await mkdtemp(join(tmpdir(), "tokenlense-bench-"));
const main = join(packageRoot(), "dist", "cli", "main.js");
const options = ["--port", "0", "--concurrency", "4", "--log", "error", "--json"];
const server = spawn(process.execPath, [main, "serve", folder, ...options], { stdio: ["ignore", "pipe", "inherit"] });
try {
  const [line] = (await once(server.stdout, "data")) as [Buffer];
  const { url } = JSON.parse(String(line)) as { url: string };
  const get = async <T>(path: string) => (await (await fetch(url + path)).json()) as T;
  const post = (method: string, maxNewTokens: number) =>
    fetch(`${url}/attributions`, {
      ...{ method: "POST", headers: { "content-type": "application/json" } },
      body: JSON.stringify({ model: MODEL, prompt: LARGE_SIZE.text.slice(0, 300), method, maxNewTokens }),
    });
  const open = async () => (await get<{ jobs: { running: number; queued: number } }>("/health")).jobs;
  await post("dummy", 1); // loads the model
  while ((await open()).running > 0) await delay(50);
  const waited = () =>
    Number(readFileSync(`/proc/${server.pid}/task/${server.pid}/schedstat`, "utf8").split(" ")[1]) / 1e6;

  for (const method of ["saliency", "input_x_gradient", "tokenlense", "deeplift"]) await post(method, 16);
  const asked: { took: number; waited: number }[] = [];
  for (let jobs = await open(); jobs.running > 0; ) {
    const [start, before] = [performance.now(), waited()];
    jobs = await open();
    if (jobs.running === 4) asked.push({ took: performance.now() - start, waited: waited() - before });
    await delay(5);
  }
  asked.sort((a, b) => a.took - b.took);
  const at = (share: number) => asked[Math.floor(share * (asked.length - 1))];
  console.log(`${asked.length} answers while four ran`);
  for (const [name, share] of [
    ["median", 0.5],
    ["99 %", 0.99],
    ["99.9 %", 0.999],
    ["most", 1],
  ] as const)
    console.log(
      `${name}: ${at(share)?.took.toFixed(1)} ms, of which waiting for a core ${at(share)?.waited.toFixed(1)} ms`,
    );
} finally {
  server.kill("SIGTERM");
  await once(server, "exit");
  await rm(folder, { recursive: true });
}
