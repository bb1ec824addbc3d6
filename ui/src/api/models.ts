import type { z } from "zod";
import type { loadable } from "../../../src/server/routes.js";
import { requestJson } from "./request.js";

export type LoadableModels = z.output<typeof loadable>;
export type LoadableModel = LoadableModels["models"][number];

/** Models that a job may name, and which are in memory. */
export const loadableModels = (signal?: AbortSignal): Promise<LoadableModels> =>
  requestJson("/models/loadable", { signal });
