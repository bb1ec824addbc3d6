import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, expect } from "vitest";
import type { JobView } from "../../src/server/jobs/job.js";
import type { ServeOptions } from "../../src/server/options.js";
import { type Assembled, assemble } from "../../src/server/server.js";

const open: Assembled[] = [];
const folders: string[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((server) => server.stop()));
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

/** A folder for results, gone after the test. */
export function resultsFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "tokenlense-server-"));
  folders.push(folder);
  return folder;
}

/** A server without a port, stopped after the test. */
export async function server(options: ServeOptions = {}): Promise<Assembled> {
  const assembled = await assemble({ folder: options.folder ?? resultsFolder(), log: "silent", grace: 0, ...options });
  open.push(assembled);
  return assembled;
}

/** What it answers as JSON, with the status that was expected. */
export async function json<T = Record<string, unknown>>({ app }: Assembled, url: string, status = 200): Promise<T> {
  const answer = await app.inject(url);
  expect({ url, status: answer.statusCode, body: answer.body }).toMatchObject({ url, status });
  return answer.json() as T;
}

export const errorCode = (code: string) => ({ error: expect.objectContaining({ code: `ERR_TOKENLENSE_${code}` }) });

/** Asks for an attribution, and gives what is answered. */
export function ask({ app }: Assembled, payload: object, remoteAddress = "127.0.0.1") {
  return app.inject({ method: "POST", url: "/attributions", payload, remoteAddress });
}

/** The job once it has ended, or as soon as `until` holds. */
export async function jobAt(
  assembled: Assembled,
  id: string,
  until = ({ state }: JobView) => !["queued", "running"].includes(state),
): Promise<JobView> {
  for (;;) {
    const job = await json<JobView>(assembled, `/attributions/${id}`);
    if (until(job)) return job;
    await delay(5);
  }
}
