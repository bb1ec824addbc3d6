import type {
  FastifyBaseLogger,
  FastifyInstance,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
} from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import type { JobQueue } from "./jobs/queue.js";
import type { ModelPool } from "./models/pool.js";
import type { ServerSettings } from "./options.js";
import type { Catalogue } from "./results/catalogue.js";

/** fastify, with requests typed by their zod schemas. */
export type App = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  ZodTypeProvider
>;

/** What routes work with. */
export interface Context {
  settings: ServerSettings;
  catalogue: Catalogue;
  queue: JobQueue;
  pool: ModelPool;
  /** Fires when the server begins to stop. */
  stopping: AbortSignal;
}
