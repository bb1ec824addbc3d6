import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { attribute } from "../../src/attribute.js";
import { loadModel } from "../../src/models/model.js";
import type { JobRecord, JobView } from "../../src/server/jobs/job.js";
import { jobView } from "../../src/server/jobs/job.js";
import { serve } from "../../src/server/server.js";
import { load } from "../../src/storage/results.js";
import { temporaryFolder, writeTinyModel } from "../tiny-model.js";
import { ask, errorCode, jobAt, json, resultsFolder, server } from "./running.js";

const model = writeTinyModel(temporaryFolder());
const short = { model, prompt: "The sky is", maxNewTokens: 3 };
/** Takes long enough to be seen at work: with so many steps seconds, as it stands minutes. */
const seconds = { steps: 6 };
const long = {
  ...{ model, prompt: "word ".repeat(12), target: "word ".repeat(16) },
  ...{ method: "sequential_integrated_gradients", options: { steps: 1000 } },
};

const running = ({ state }: JobView) => state === "running";
const recorded = (folder: string): JobRecord[] =>
  readdirSync(join(folder, ".jobs"))
    .filter((name) => name.endsWith(".json"))
    .map((name) => JSON.parse(readFileSync(join(folder, ".jobs", name), "utf8")));

interface Seen {
  event: string;
  id: string;
  job: JobView;
}

/** Events of a stream as they come. */
async function* events(response: Response): AsyncGenerator<Seen> {
  let text = "";
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    text += Buffer.from(chunk).toString();
    for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
      const fields = Object.fromEntries(
        text
          .slice(0, end)
          .split("\n")
          .map((line) => line.split(/: (.*)/s)),
      );
      text = text.slice(end + 2);
      if (fields.data) yield { event: fields.event ?? "", id: fields.id ?? "", job: JSON.parse(fields.data) };
    }
  }
}

describe("a job", () => {
  it("runs, and its result is stored and is what attribute() gives", async () => {
    const folder = resultsFolder();
    const assembled = await server({ folder, models: [model] });
    const answer = await ask(assembled, { ...short, method: "input_x_gradient", stepScores: ["entropy"] });
    expect(answer.statusCode).toBe(202);
    const { id, state, request } = jobView.parse(answer.json());
    expect(answer.headers.location).toBe(`/attributions/${id}`);
    expect(["queued", "running"]).toContain(state);
    expect(request).toMatchObject({ ...short, method: "input_x_gradient", generation: { topP: 1 } });
    const job = await jobAt(assembled, id);
    expect(jobView.parse(job)).toEqual(job);
    expect(job).toMatchObject({ state: "done", result: expect.stringMatching(/^\d{8}_\d{6}_tiny_The_sky_is\.json$/) });
    using stored = await load(join(folder, job.result as string));
    using loaded = await loadModel(model);
    using expected = await attribute({
      ...{ model: loaded, prompt: short.prompt, maxNewTokens: 3, method: "input_x_gradient", stepScores: ["entropy"] },
    });
    expect([...stored.scores]).toEqual([...expected.scores].map((score) => expect.closeTo(score, 5)));
    expect(Object.keys(stored.stepScores)).toEqual(["entropy"]);
    expect(await json(assembled, `/results/${job.result}`)).toMatchObject({ metadata: { prompt: short.prompt } });
    expect(await json(assembled, "/models/tiny/methods")).toEqual({ model: "tiny", methods: ["input_x_gradient"] });
    expect((await json<{ items: JobView[] }>(assembled, "/attributions?pageSize=1")).items).toEqual([job]);
    expect(recorded(folder)).toEqual([{ ...job, client: "127.0.0.1", attempts: 1 }]);
    expect((await assembled.app.inject("/metrics")).body).toMatch(
      /tokenlense_jobs_ended_total\{method="input_x_gradient",state="done"\} 1/,
    );
  });

  it("tells its course by events, from waiting to its end, to any number of watchers", async () => {
    await using live = await serve({
      folder: resultsFolder(),
      port: 0,
      models: [model],
      concurrency: 1,
      log: "silent",
    });
    const post = (body: object) =>
      fetch(`${live.url}/attributions`, {
        ...{ method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) },
      }).then((answer) => answer.json() as Promise<JobView>);
    const first = await post({ ...long, options: seconds });
    const second = await post({ ...short, messages: undefined });
    const watch = async (id: string) => {
      const response = await fetch(`${live.url}/attributions/${id}/events`);
      expect(response.headers.get("content-type")).toBe("text/event-stream");
      const seen: Seen[] = [];
      for await (const event of events(response)) seen.push(event);
      return seen;
    };
    const [one, again, two] = await Promise.all([watch(first.id), watch(first.id), watch(second.id)]);
    expect(one.at(-1)).toMatchObject({ event: "done", job: { id: first.id, state: "done" } });
    expect(again.at(-1)).toEqual(one.at(-1));
    const before = one.slice(0, -1);
    expect(before.map(({ event }) => event)).toEqual(before.map(() => "progress"));
    const parts = before.flatMap(({ job }) => (job.progress?.phase === "attribute" ? [job.progress.done] : []));
    expect(parts.length).toBeGreaterThan(1);
    expect(parts).toEqual(parts.toSorted((a, b) => a - b));
    expect(two[0]).toMatchObject({ event: "progress", job: { state: "queued", position: 0 } });
    expect(two.at(-1)).toMatchObject({ event: "done" });
    // As a browser's EventSource comes back after the end.
    const last = { "last-event-id": one.at(-1)?.id as string };
    expect((await fetch(`${live.url}/attributions/${first.id}/events`, { headers: last })).status).toBe(204);
  });

  it.each([
    ["its end, where it is waited for", 60_000, { event: "done", state: "done" }],
    ["that it waits for the next start, where it is not", 0, { event: "progress", state: "queued" }],
  ])("tells who watches when the server stops: %s", async (_, grace, last) => {
    const live = await serve({ folder: resultsFolder(), port: 0, models: [model], grace, log: "silent" });
    const answer = await fetch(`${live.url}/attributions`, {
      ...{ method: "POST", headers: { "content-type": "application/json" } },
      body: JSON.stringify({ ...long, options: seconds }),
    });
    const { id } = (await answer.json()) as JobView;
    let stopped: Promise<void> | undefined;
    let end: Seen | undefined;
    for await (const event of events(await fetch(`${live.url}/attributions/${id}/events`))) {
      end = event;
      if (event.job.progress?.phase === "attribute") stopped ??= live.stop();
    }
    expect({ event: end?.event, state: end?.job.state }).toEqual(last);
    await stopped;
    await expect(fetch(`${live.url}/health`)).rejects.toThrow();
  });

  it("is cancelled while it runs and while it waits; cancelled again, it stays so", async () => {
    const folder = resultsFolder();
    const assembled = await server({ folder, models: [model], concurrency: 1 });
    const { id } = (await ask(assembled, long)).json();
    const waiting = (await ask(assembled, short)).json();
    await jobAt(assembled, id, running);
    const cancel = (job: string) => assembled.app.inject({ method: "DELETE", url: `/attributions/${job}` });
    const done = await cancel(waiting.id);
    expect([done.statusCode, done.json().state]).toEqual([200, "cancelled"]);
    expect((await cancel(id)).statusCode).toBe(202);
    expect((await jobAt(assembled, id)).state).toBe("cancelled");
    const again = await cancel(id);
    expect([again.statusCode, again.json().state]).toEqual([200, "cancelled"]);
    expect(recorded(folder).map(({ state }) => state)).toEqual(["cancelled", "cancelled"]);
    expect(await json(assembled, "/results")).toMatchObject({ total: 0 });
  });

  it("that fails says why, and the next one runs", async () => {
    const assembled = await server({ models: [model], concurrency: 1 });
    const { id } = (await ask(assembled, { ...short, prompt: "word ".repeat(200) })).json();
    const next = (await ask(assembled, short)).json();
    expect(await jobAt(assembled, id)).toMatchObject({ state: "failed", error: { code: "ERR_TOKENLENSE_CONTEXT" } });
    expect((await jobAt(assembled, next.id)).state).toBe("done");
  });

  it("is refused at once where its choice is wrong, with what would be right", async () => {
    const assembled = await server({ models: [model] });
    for (const [wrong, status, error] of [
      [{ method: "salience" }, 400, { code: "ERR_TOKENLENSE_INPUT", hint: "Did you mean saliency?" }],
      [{ method: "integrated_gradients", options: { step: 3 } }, 400, { code: "ERR_TOKENLENSE_INPUT" }],
      [{ options: { steps: 1e9 } }, 400, { message: expect.stringContaining("options") }],
      [{ step: { name: "mine", source: "def step(): ..." } }, 400, { message: expect.stringContaining("step") }],
      [{ stepScores: [{ name: "mine", score: 1 }] }, 400, { message: expect.stringContaining("stepScores") }],
      [{ step: "contrast_prob" }, 400, { code: "ERR_TOKENLENSE_INPUT" }],
      [{ prompt: "" }, 400, { code: "ERR_TOKENLENSE_PROMPT" }],
      [{ prompt: undefined }, 400, { code: "ERR_TOKENLENSE_INPUT" }],
      [{ promptIds: [1] }, 400, { message: expect.stringContaining("promptIds") }],
      [{ memoryBudget: 2 ** 60 }, 400, { message: expect.stringContaining("memoryBudget") }],
      [{ prompt: "x".repeat(70_000) }, 400, { message: expect.stringContaining("70002 characters") }],
      [{ model: "/etc/passwd" }, 400, { code: "ERR_TOKENLENSE_MODEL" }],
      [{ model: "../../tiny.gguf" }, 400, { code: "ERR_TOKENLENSE_MODEL" }],
      [{ model: "someone/else" }, 400, { code: "ERR_TOKENLENSE_MODEL" }],
    ] as const) {
      const answer = await ask(assembled, { ...short, ...wrong });
      expect([answer.statusCode, answer.json()]).toEqual([status, { error: expect.objectContaining(error) }]);
    }
    expect(await json(assembled, "/attributions")).toMatchObject({ total: 0 });
  });
});

describe("the queue", () => {
  it("takes so many jobs of one client, and so many of all", async () => {
    const assembled = await server({ models: [model], concurrency: 1, limits: { client: 2, queue: 3 } });
    const status = async (address: string) => (await ask(assembled, long, address)).statusCode;
    // At once, so that none is counted late.
    const answers = await Promise.all(["10.0.0.1", "10.0.0.1", "10.0.0.1", "10.0.0.2"].map(status));
    expect(answers).toEqual([202, 202, 429, 202]);
    const full = await ask(assembled, long, "10.0.0.3");
    expect([full.statusCode, full.headers["retry-after"], full.json()]).toEqual([429, "5", errorCode("BUSY")]);
    const { items } = await json<{ items: JobView[] }>(assembled, "/attributions");
    for (const { id } of items) await assembled.app.inject({ method: "DELETE", url: `/attributions/${id}` });
    for (const { id } of items) await jobAt(assembled, id);
    expect(await status("10.0.0.1")).toBe(202);
  });

  it("goes on at the next start with what a stop interrupted and what waited", async () => {
    const folder = resultsFolder();
    const first = await server({ folder, models: [model], concurrency: 1 });
    const { id } = (await ask(first, { ...long, options: seconds })).json();
    const waiting = (await ask(first, short)).json();
    await jobAt(first, id, running);
    await first.stop();
    expect(recorded(folder).map(({ state, attempts }) => [state, attempts])).toEqual([
      ["queued", 0],
      ["queued", 0],
    ]);
    const second = await server({ folder, models: [model], concurrency: 1 });
    expect((await jobAt(second, id)).state).toBe("done");
    expect((await jobAt(second, waiting.id)).state).toBe("done");
    expect(await json(second, "/results")).toMatchObject({ total: 2 });
  });

  it("waits so long for what runs when it stops, and takes no more", async () => {
    const folder = resultsFolder();
    const assembled = await server({ folder, models: [model], grace: 60_000 });
    const { id } = (await ask(assembled, { ...long, options: seconds })).json();
    await jobAt(assembled, id, running);
    const stopped = assembled.stop();
    expect(await json(assembled, "/health", 503)).toMatchObject({ status: "stopping" });
    const refused = await ask(assembled, short);
    expect([refused.statusCode, refused.json()]).toEqual([503, errorCode("STOPPING")]);
    await stopped;
    expect(recorded(folder)).toMatchObject([{ id, state: "done" }]);
  });

  it("runs again what a process left that died, gives up at the third time, and leaves alone what it cannot read", async () => {
    const folder = resultsFolder();
    const before = await server({ folder, models: [model] });
    const jobs: JobView[] = [];
    for (let i = 0; i < 2; i++) jobs.push(await jobAt(before, (await ask(before, short)).json().id));
    await before.stop();
    const [once, twice] = jobs.map(({ id }) => join(folder, ".jobs", `${id}.json`)) as [string, string];
    for (const [file, attempts] of [
      [once, 1],
      [twice, 2],
    ] as const) {
      const { ended: _, result: __, ...record } = JSON.parse(readFileSync(file, "utf8"));
      writeFileSync(file, JSON.stringify({ ...record, state: "running", attempts }));
    }
    writeFileSync(join(folder, ".jobs", "damaged.json"), "{");
    const after = await server({ folder, models: [model] });
    expect((await jobAt(after, jobs[0]?.id as string)).state).toBe("done");
    expect(await json(after, `/attributions/${jobs[1]?.id}`)).toMatchObject({
      state: "failed",
      error: { message: "The server ended 2 times while it ran this job." },
    });
    expect(readFileSync(join(folder, ".jobs", "damaged.json"), "utf8")).toBe("{");
  });

  it("is one server's: another one is refused the folder", async () => {
    const folder = resultsFolder();
    await server({ folder });
    await expect(server({ folder })).rejects.toMatchObject({ code: "ERR_TOKENLENSE_DISK" });
  });
});
