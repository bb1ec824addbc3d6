import { afterEach } from "vitest";
import type { Attribution } from "../../src/result.js";
import type { ServeOptions } from "../../src/server/options.js";
import { serve, type TokenlenseServer } from "../../src/server/server.js";
import { save } from "../../src/storage/results.js";
import { resultsFolder } from "../server/running.js";

const open: TokenlenseServer[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((server) => server.stop()));
});

export interface Served extends TokenlenseServer {
  folder: string;
  /** Of the results that were stored, as the server names them. */
  ids: string[];
}

/** A server that listens, over a folder with these results; stopped after the test. */
export async function served(results: readonly Attribution[] = [], options: ServeOptions = {}): Promise<Served> {
  const folder = options.folder ?? resultsFolder();
  const ids: string[] = [];
  for (const result of results) ids.push((await save(result, folder)).slice(folder.length + 1));
  const server = await serve({ folder, port: 0, log: "silent", grace: 0, ...options });
  open.push(server);
  return { ...server, folder, ids };
}
