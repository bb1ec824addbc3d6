import { relative, sep } from "node:path";
import { type AttributeOptions, attribute } from "../../attribute.js";
import { save } from "../../storage/results.js";
import type { ModelPool } from "../models/pool.js";
import type { ServerSettings } from "../options.js";
import type { Job } from "./job.js";

/** Attributes what a job asks for, stores it, and gives the result's id. */
export async function runJob(job: Job, pool: ModelPool, settings: ServerSettings): Promise<string> {
  const { model: name, ...request } = job.record.request;
  const { signal, report: onProgress } = job;
  using lease = await pool.acquire(name, { signal, onProgress });
  const memory = settings.memoryBudget ?? Math.floor(process.availableMemory() / 2 / settings.concurrency);
  using result = await attribute({
    ...request,
    model: lease.model,
    memoryBudget: Math.max(1, memory),
    signal,
    onProgress,
  } as AttributeOptions); // names of methods are strings here, and were looked up
  return idOf(settings.folder, await save(result, settings.folder));
}

/** A result's id: its path in the folder, as URLs write it. */
export const idOf = (folder: string, file: string): string => relative(folder, file).split(sep).join("/");
