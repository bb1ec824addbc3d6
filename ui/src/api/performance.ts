import type { z } from "zod";
import type { Report } from "../../../src/bench/schema.js";
import type { systemInfo, timingResults } from "../../../src/server/analyzer/schemas.js";
import type { runList } from "../../../src/server/runs/schemas.js";
import { requestJson } from "./request.js";

export type { Report };
export type SystemInfo = z.output<typeof systemInfo>;
export type TimingResults = z.output<typeof timingResults>;
export type RunList = z.output<typeof runList>;
export type RunSummary = RunList["runs"][number];

/** The machine of a stored benchmark, else the server's. */
export const systemOf = (signal?: AbortSignal): Promise<SystemInfo> => requestJson("/performance/system", { signal });

/** Times by model and method, and of each prompt. */
export const timings = (signal?: AbortSignal): Promise<TimingResults> => requestJson("/performance/timing", { signal });

/** Runs of `tokenlense bench` in the results folder, the newest first. */
export const listRuns = (signal?: AbortSignal): Promise<RunList> => requestJson("/performance/runs", { signal });

export const getRun = (id: string, signal?: AbortSignal): Promise<Report> =>
  requestJson(`/performance/runs/${encodeURIComponent(id)}`, { signal });
