import type { FastifyRequest } from "fastify";
import { z } from "zod";
import { packageVersion } from "../install/package.js";
import { describeMethods } from "../methods/describe.js";
import type { App, Context } from "./app.js";
import { errorSchema } from "./errors.js";
import { offeredModels } from "./models/offered.js";
import { PAGE } from "./page/routes.js";

const health = z.object({
  status: z.enum(["ok", "stopping"]),
  version: z.string(),
  seconds: z.number().describe("since the process began"),
  jobs: z.object({ queued: z.int(), running: z.int() }),
});

/** Models that a job may name. */
export const loadable = z.object({
  models: z.array(
    z.object({
      name: z.string(),
      origin: z.enum(["given", "known", "cached"]),
      loaded: z.boolean(),
      bytes: z.int().optional().describe("of weights, of a model that is loaded"),
      jobs: z.int().describe("that use it now"),
    }),
  ),
  memory: z.object({ used: z.int(), budget: z.int() }).describe("bytes of weights"),
});

/** A browser's address bar wants HTML; programs want anything, or JSON. */
export const asksForPage = ({ headers }: FastifyRequest): boolean => headers.accept?.includes("text/html") ?? false;

/** What the server is, what it can do, and how it fares. */
export function serverRoutes(app: App, { settings, queue, pool }: Context): void {
  app.get("/", { schema: { tags: ["server"], summary: "What this is" } }, async (request, reply) => {
    reply.header("vary", "accept");
    if (asksForPage(request)) return reply.redirect(PAGE);
    return {
      name: "tokenlense",
      description: "Token attribution for language models: stored results, and new ones as jobs.",
      version: packageVersion(),
      docs: "/openapi.json",
      page: PAGE,
    };
  });

  app.get("/openapi.json", { schema: { hide: true } }, async () => app.swagger());

  app.get(
    "/health",
    { schema: { tags: ["server"], summary: "Whether it takes work", response: { 200: health, 503: health } } },
    async (_, reply) =>
      reply.status(queue.stopping ? 503 : 200).send({
        status: queue.stopping ? ("stopping" as const) : ("ok" as const),
        version: packageVersion(),
        seconds: process.uptime(),
        jobs: { queued: queue.count("queued"), running: queue.count("running") },
      }),
  );

  app.get(
    "/methods",
    { schema: { tags: ["models"], summary: "Attribution methods and step functions, with their options" } },
    async () => describeMethods(),
  );

  app.get(
    "/models/loadable",
    {
      schema: {
        tags: ["models"],
        summary: "Models that a job may name, and which are in memory",
        response: { 200: loadable, default: errorSchema },
      },
    },
    async () => {
      const loaded = pool.loaded();
      const models = (await offeredModels(settings.models)).map(({ name, origin }) => {
        const model = loaded.find((candidate) => candidate.name === name);
        return {
          name,
          origin,
          loaded: model !== undefined,
          ...(model && { bytes: model.bytes }),
          jobs: model?.users ?? 0,
        };
      });
      return { models, memory: { used: loaded.reduce((sum, { bytes }) => sum + bytes, 0), budget: pool.budget } };
    },
  );
}
