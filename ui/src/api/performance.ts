import type { z } from "zod";
import type { systemInfo, timingResults } from "../../../src/server/analyzer/schemas.js";
import { requestJson } from "./request.js";

export type SystemInfo = z.output<typeof systemInfo>;
export type TimingResults = z.output<typeof timingResults>;

/** The machine of a stored benchmark, else the server's. */
export const systemOf = (signal?: AbortSignal): Promise<SystemInfo> => requestJson("/performance/system", { signal });

/** Times by model and method, and of each prompt. */
export const timings = (signal?: AbortSignal): Promise<TimingResults> => requestJson("/performance/timing", { signal });
