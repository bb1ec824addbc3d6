import { Readable } from "node:stream";
import { z } from "zod";
import type { App, Context } from "../app.js";
import { errorSchema } from "../errors.js";
import { requireOffered } from "../models/offered.js";
import { page, pageFrom, pageOf } from "../results/schemas.js";
import { jobEvents } from "./events.js";
import { jobView } from "./job.js";
import { attributionRequest, checkRequest } from "./request.js";

const one = z.object({ id: z.string() });
const answers = { 200: jobView, default: errorSchema };

/** Attributions as jobs. */
export function jobRoutes(app: App, { settings, queue, stopping }: Context): void {
  const tags = ["jobs"];

  app.post(
    "/attributions",
    {
      schema: {
        tags,
        summary: "Attribute a text; the job's result is stored",
        body: attributionRequest,
        response: { 202: jobView, default: errorSchema },
      },
    },
    async ({ body, ip }, reply) => {
      checkRequest(body, settings);
      await requireOffered(body.model, settings.models);
      const job = await queue.submit(body, ip);
      return reply.status(202).header("location", `/attributions/${job.id}`).send(job);
    },
  );

  app.get(
    "/attributions",
    {
      schema: {
        tags,
        summary: "Jobs, the newest first",
        querystring: z.object(page),
        response: { 200: pageOf(jobView), default: errorSchema },
      },
    },
    async ({ query }) => {
      const { items, ...rest } = pageFrom(queue.list(), query);
      return { ...rest, items: items.map((job) => queue.view(job)) };
    },
  );

  app.get(
    "/attributions/:id",
    { schema: { tags, summary: "A job", params: one, response: answers } },
    async ({ params }) => queue.view(queue.get(params.id)),
  );

  app.delete(
    "/attributions/:id",
    {
      schema: {
        tags,
        summary: "Cancel a job; one that runs ends at its next block, one that has ended stays",
        params: one,
        response: { ...answers, 202: jobView },
      },
    },
    async ({ params }, reply) => {
      const job = queue.get(params.id);
      await queue.cancel(job);
      return reply.status(job.open ? 202 : 200).send(queue.view(job));
    },
  );

  app.get(
    "/attributions/:id/events",
    {
      schema: {
        tags,
        summary: "A job's course as server-sent events: progress, then done, failed or cancelled",
        params: one,
        response: {
          200: { content: { "text/event-stream": { schema: z.string() } } },
          204: z.undefined().describe("nothing more to come, to who has seen the end"),
          default: errorSchema,
        },
      },
    },
    async ({ params, headers }, reply) => {
      const job = queue.get(params.id);
      // A browser's EventSource asks again after the stream's end, unless it is told that there is no more.
      if (!job.open && headers["last-event-id"] === String(job.version)) return reply.status(204).send(undefined);
      const events = jobEvents(job, (each) => queue.view(each), stopping);
      return reply
        .type("text/event-stream")
        .header("cache-control", "no-store")
        .send(Readable.from(events, { highWaterMark: 1 }) as never);
    },
  );
}
