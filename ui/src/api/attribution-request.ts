import type { z } from "zod";
import type { attributionRequest } from "../../../src/server/jobs/request.js";

/** What a job is asked for. */
export type AttributionRequest = z.input<typeof attributionRequest>;
