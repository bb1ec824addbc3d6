import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import autocannon from "autocannon";
import { expect, it } from "vitest";
import { serve } from "../../src/server/server.js";
import { save } from "../../src/storage/results.js";
import { example } from "../example.js";
import { temporaryFolder, writeTinyModel } from "../tiny-model.js";
import { resultsFolder } from "./running.js";

const SECONDS = 3;

it("answers many at once without an error while jobs run, and keeps nothing of them", async () => {
  const model = writeTinyModel(temporaryFolder());
  const folder = resultsFolder();
  await save(example(["The", " sky"], [" is", " blue"]), folder);
  await using live = await serve({ folder, port: 0, models: [model], grace: 0, log: "silent" });
  const body = JSON.stringify({
    ...{ model, prompt: "word ".repeat(12), target: "word ".repeat(16) },
    ...{ method: "sequential_integrated_gradients", options: { steps: 1000 } },
  });
  for (let job = 0; job < 2; job++) {
    const headers = { "content-type": "application/json" };
    expect((await fetch(`${live.url}/attributions`, { method: "POST", headers, body })).status).toBe(202);
  }
  const paths = [
    "/health",
    "/models/",
    "/results",
    "/attribution/tiny-model/saliency/0/detailed",
    "/attributions",
    "/metrics",
  ];
  const burst = () =>
    autocannon({
      ...{ url: live.url, connections: 20, duration: SECONDS, workers: 1 },
      requests: paths.map((path) => ({ path })),
    });
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const heap = () => {
    collect();
    return process.memoryUsage().heapUsed;
  };

  await burst();
  const before = heap();
  const { errors, timeouts, non2xx, "2xx": answered } = await burst();
  expect({ errors, timeouts, non2xx }).toEqual({ errors: 0, timeouts: 0, non2xx: 0 });
  expect(answered).toBeGreaterThan(100);
  // Less than a hundred bytes of each request, and what the runtime itself keeps.
  expect(heap() - before).toBeLessThan(100 * answered + 2 ** 22);
  const { jobs } = (await (await fetch(`${live.url}/health`)).json()) as { jobs: object };
  expect(jobs).toEqual({ queued: 0, running: 2 });
});
