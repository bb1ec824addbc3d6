import { z } from "zod";
import { removeResult } from "../../storage/remove.js";
import { nativeDocument } from "../../storage/schema.js";
import type { App, Context } from "../app.js";
import { errorSchema } from "../errors.js";
import { idOf } from "../jobs/work.js";
import { importResults } from "./import.js";

const ids = z.object({ ids: z.array(z.string()) });

/** Results that are brought, and results that are taken away. */
export function changeRoutes(app: App, { settings, catalogue }: Context): void {
  const tags = ["results"];
  const { folder, limits } = settings;

  // In a scope of its own, as bodies are taken as bytes here: Inseq's JSON may hold NaN, and may be compressed.
  app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser(
      ["application/json", "application/gzip", "application/octet-stream"],
      { parseAs: "buffer", bodyLimit: limits.upload },
      (_, body, done) => done(null, body),
    );
    (scope as unknown as App).post(
      "/results",
      {
        bodyLimit: limits.upload,
        // The document is for readers of the description: what has come is looked at when it is decompressed.
        validatorCompiler: () => (value) => ({ value }),
        schema: {
          tags,
          summary: "Store a result that was made elsewhere",
          description:
            "A file of the native schema or of Inseq's, compressed by gzip or not; of Inseq's each sequence.",
          querystring: z.object({ name: z.string().optional().describe("of the file, for what is said of it") }),
          body: nativeDocument,
          response: { 201: ids.describe("of the stored results"), default: errorSchema },
        },
      },
      async ({ body, query }, reply) => {
        const name = typeof query.name === "string" ? query.name : "The file";
        const bytes = (body as unknown as Buffer | undefined) ?? Buffer.alloc(0);
        const files = await importResults(bytes, folder, { name, most: limits.upload });
        catalogue.changed();
        return reply.status(201).send({ ids: files.map((file) => idOf(folder, file)) });
      },
    );
  });

  app.delete(
    "/results/:id",
    {
      schema: {
        tags,
        summary: "Remove a result, also a damaged one, with the scores beside it",
        params: z.object({ id: z.string() }),
        response: { 200: ids.describe("of the files that were removed"), default: errorSchema },
      },
    },
    async ({ params }) => {
      const removed = await removeResult(await catalogue.locate(params.id));
      catalogue.changed();
      return { ids: removed.map((file) => idOf(folder, file)) };
    },
  );
}
