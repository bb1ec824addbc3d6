import type { AddressInfo } from "node:net";
import { join, resolve } from "node:path";
import { takeFolder } from "../dataset/folder.js";
import { TokenlenseError } from "../errors.js";
import type { App } from "./app.js";
import { addRoutes, createApp } from "./build.js";
import { JobQueue } from "./jobs/queue.js";
import { JobStore } from "./jobs/store.js";
import { runJob } from "./jobs/work.js";
import { Metrics } from "./metrics.js";
import { ModelPool } from "./models/pool.js";
import { readOptions, type ServeOptions, type ServerSettings } from "./options.js";
import { Catalogue } from "./results/catalogue.js";

/** In the results folder: what a server records of its jobs. */
const JOBS = ".jobs";

/** Milliseconds that answers under way have to reach their readers when the server stops. */
const FAREWELL = 2000;

/** A server with everything but a port. */
export interface Assembled {
  app: App;
  settings: ServerSettings;
  /** Ends or records each job, and gives back models and folder. */
  stop(): Promise<void>;
}

/** @throws ERR_TOKENLENSE_INPUT for an option, ERR_TOKENLENSE_DISK where the folder cannot be used, or another server has it. */
export async function assemble(options: ServeOptions): Promise<Assembled> {
  const given = readOptions(options);
  const settings = { ...given, folder: resolve(given.folder) };
  const app = createApp(settings);
  const jobs = join(settings.folder, JOBS);
  const lost = (error: Error) => app.log.error({ err: error }, "Another process has taken the folder of jobs.");
  const release = await takeFolder(jobs, lost);
  try {
    const { store, records, damaged } = await JobStore.open(jobs);
    for (const file of damaged) app.log.warn({ file }, "A recorded job cannot be read; it is left alone.");
    const catalogue = new Catalogue(settings.folder);
    const pool = new ModelPool(settings.modelMemory ?? Math.floor(process.availableMemory() / 2), settings.device);
    const metrics = new Metrics();
    const queue = new JobQueue({
      store,
      concurrency: settings.concurrency,
      limits: settings.limits,
      work: (job) => runJob(job, pool, settings),
      onEnd: (job) => {
        const { id, state, error, result } = job.record;
        catalogue.changed();
        metrics.ended(job);
        app.log.info({ job: id, state, result, code: error?.code }, "A job ended.");
      },
      onFault: (error) => app.log.error({ err: error }, "A job's state could not be recorded."),
    });
    metrics.observe({ queue, pool });
    const leaving = new AbortController();
    await addRoutes(app, { settings, catalogue, queue, pool, stopping: leaving.signal }, metrics);
    await app.ready();
    await queue.resume(records);
    const stop = async () => {
      await queue.stop(settings.grace);
      leaving.abort(); // after the jobs, so that who watches one sees its end
      const cut = setTimeout(() => app.server.closeAllConnections(), FAREWELL);
      await app.close();
      clearTimeout(cut);
      pool.clear();
      await release();
    };
    let stopped: Promise<void> | undefined;
    return {
      app,
      settings,
      stop: () => {
        stopped ??= stop();
        return stopped;
      },
    };
  } catch (error) {
    await release();
    throw error;
  }
}

/** A server that listens. */
export interface TokenlenseServer extends AsyncDisposable {
  /** Where it is reached: "http://127.0.0.1:8000". */
  readonly url: string;
  readonly port: number;
  /**
   * Takes no more jobs, gives those that run `grace` milliseconds to end, records the others for the next start, then closes
   * every connection.
   */
  stop(): Promise<void>;
}

/**
 * Serves the results in a folder, and attributes new texts as jobs, over HTTP: TokenLense's Analyzer's paths, and those of
 * this package; `/openapi.json` has them all. Jobs that an earlier server recorded go on.
 * @throws ERR_TOKENLENSE_INPUT for an option, or a host beyond loopback without a token; ERR_TOKENLENSE_DISK where the folder
 * cannot be used, or another server has it; ERR_TOKENLENSE_BUSY where the port is taken.
 */
export async function serve(options: ServeOptions = {}): Promise<TokenlenseServer> {
  const { app, settings, stop } = await assemble(options);
  const { host, port } = settings;
  try {
    await app.listen({ host, port });
  } catch (cause) {
    await stop();
    const taken = (cause as NodeJS.ErrnoException).code === "EADDRINUSE";
    const message = `Cannot listen on ${host}, port ${port}: ${(cause as Error).message}`;
    throw new TokenlenseError(taken ? "ERR_TOKENLENSE_BUSY" : "ERR_TOKENLENSE_INPUT", message, {
      hint: "Choose another port; 0 takes any that is free.",
      cause,
    });
  }
  const { port: bound } = app.server.address() as AddressInfo;
  return {
    url: `http://${host.includes(":") ? `[${host}]` : host}:${bound}`,
    port: bound,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}
