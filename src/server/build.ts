import { randomUUID } from "node:crypto";
import cors from "@fastify/cors";
import swagger from "@fastify/swagger";
import fastify from "fastify";
import { jsonSchemaTransform, validatorCompiler, type ZodTypeProvider } from "fastify-type-provider-zod";
import { packageVersion } from "../install/package.js";
import { guard } from "./access.js";
import { performanceRoutes } from "./analyzer/performance.js";
import { analyzerRoutes } from "./analyzer/routes.js";
import type { App, Context } from "./app.js";
import { answer, answerErrors } from "./errors.js";
import { importanceRoutes } from "./importance/routes.js";
import { jobRoutes } from "./jobs/routes.js";
import type { Metrics } from "./metrics.js";
import type { ServerSettings } from "./options.js";
import { pageRoutes } from "./page/routes.js";
import { changeRoutes } from "./results/changes.js";
import { resultRoutes } from "./results/routes.js";
import { serverRoutes } from "./routes.js";
import { runRoutes } from "./runs/routes.js";

/** fastify with its bounds and log, and no routes yet. */
export function createApp({ log, limits }: ServerSettings): App {
  const app = fastify({
    logger: log === "silent" ? false : { level: log, stream: process.stderr },
    genReqId: () => randomUUID(),
    requestIdHeader: false,
    bodyLimit: limits.body,
    requestTimeout: limits.request,
    connectionTimeout: limits.idle,
    keepAliveTimeout: 5000,
    // Node looks for slow requests every so often only.
    http: {
      headersTimeout: Math.min(limits.request, 15_000),
      connectionsCheckingInterval: Math.min(limits.request, 5000),
    },
    forceCloseConnections: "idle",
    return503OnClosing: false,
    exposeHeadRoutes: false,
    frameworkErrors: (error, request, reply) => answer(error, request, reply),
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: 512 },
  }).withTypeProvider<ZodTypeProvider>();
  app.server.maxConnections = limits.connections;
  app.setValidatorCompiler(validatorCompiler);
  // Answers are made here, and a large one would be checked for long: that they are what is documented is for the tests.
  app.setSerializerCompiler(() => (data) => JSON.stringify(data));
  return app;
}

/** All routes, and what stands before them. */
export async function addRoutes(app: App, context: Context, metrics: Metrics): Promise<void> {
  const { settings } = context;
  answerErrors(app as never);
  app.addHook("onRequest", async (request, reply) => {
    reply.headers({ "x-request-id": request.id, "x-content-type-options": "nosniff" });
  });
  app.addHook("onResponse", metrics.answered);
  if (settings.origins.length > 0)
    await app.register(cors, { origin: settings.origins, methods: ["GET", "POST", "DELETE"] });
  guard(app as never, settings);
  await app.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "tokenlense",
        description:
          "Token attribution for language models. /models/, /attribution/ and /performance/ are TokenLense's Analyzer's.",
        version: packageVersion(),
      },
      ...(settings.token !== undefined && {
        components: { securitySchemes: { token: { type: "http", scheme: "bearer" } } },
        security: [{ token: [] }],
      }),
    },
    transform: jsonSchemaTransform,
  });
  serverRoutes(app, context);
  metrics.route(app);
  jobRoutes(app, context);
  resultRoutes(app, context);
  importanceRoutes(app, context);
  changeRoutes(app, context);
  analyzerRoutes(app, context);
  performanceRoutes(app, context);
  runRoutes(app, context);
  await pageRoutes(app);
}
