import { z } from "zod";
import { reportSchema } from "../../bench/schema.js";
import type { App, Context } from "../app.js";
import { errorSchema } from "../errors.js";
import { RunFolder } from "./runs.js";
import { runList } from "./schemas.js";

/** Runs of `tokenlense bench` in the results folder. */
export function runRoutes(app: App, { catalogue }: Context): void {
  const tags = ["performance"];
  const runs = new RunFolder(catalogue.folder);

  app.get(
    "/performance/runs",
    { schema: { tags, summary: "Runs of tokenlense bench", response: { 200: runList, default: errorSchema } } },
    () => runs.list(),
  );

  app.get(
    "/performance/runs/:id",
    {
      schema: {
        tags,
        summary: "A run's report",
        params: z.object({ id: z.string().describe("as GET /performance/runs lists them") }),
        response: { 200: reportSchema, default: errorSchema },
      },
    },
    ({ params: { id } }) => runs.find(id),
  );
}
