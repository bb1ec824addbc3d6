import { z } from "zod";
import { reportSchema } from "../../bench/schema.js";

/** A run of `tokenlense bench` in a list. */
export const runSummary = reportSchema.pick({ kind: true, started: true, ended: true, cells: true }).extend({
  id: z.string().describe("its folder's name"),
  machine: z.string(),
  models: z.array(z.string()),
  methods: z.array(z.string()),
  measured: z.int(),
  failed: z.int(),
});

export const runList = z.object({
  runs: z.array(runSummary).describe("the newest first"),
  unfinished: z.array(z.string()).describe("folders of runs that have no report: they are still at it, or were killed"),
  damaged: z.array(z.object({ id: z.string(), code: z.string(), message: z.string() })),
});
