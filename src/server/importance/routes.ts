import { z } from "zod";
import { meets } from "../../storage/list.js";
import type { App, Context } from "../app.js";
import { errorSchema } from "../errors.js";
import { importanceOver } from "./importance.js";
import { part, tokenImportanceList, unit } from "./schemas.js";

const query = z.object({
  model: z.string().optional().describe("a part of the model's name, in any case"),
  method: z.string().optional(),
  text: z.string().optional().describe("a part of the prompt, in any case"),
  ...{ unit, part },
});

/** Which tokens matter over stored results. */
export function importanceRoutes(app: App, { catalogue }: Context): void {
  app.get(
    "/results/importance",
    {
      schema: {
        tags: ["results"],
        summary: "Which tokens matter over results",
        description:
          "Each output's scores count by their sizes as shares of their sum, so methods can be taken together.",
        querystring: query,
        response: { 200: tokenImportanceList, default: errorSchema },
      },
    },
    async ({ query: { unit, part, ...wanted } }, reply) => {
      const { entries } = await catalogue.list();
      const matching = entries.filter((entry) => meets(entry, wanted));
      return importanceOver(matching, { unit, part, isLeft: () => reply.raw.destroyed });
    },
  );
}
