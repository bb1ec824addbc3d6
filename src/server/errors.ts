import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import { type ErrorCode, TokenlenseError } from "../errors.js";

/** What a client gets in place of what it asked for. */
export const errorSchema = z.object({
  error: z.object({
    code: z.string(),
    message: z.string(),
    hint: z.string().optional(),
    requestId: z.string(),
  }),
});

const statuses: Readonly<Record<ErrorCode, number>> = {
  ERR_TOKENLENSE_INPUT: 400,
  ERR_TOKENLENSE_PROMPT: 400,
  ERR_TOKENLENSE_TARGET: 400,
  ERR_TOKENLENSE_CONTEXT: 400,
  ERR_TOKENLENSE_MODEL: 400,
  ERR_TOKENLENSE_TOKEN: 401,
  ERR_TOKENLENSE_ACCESS: 403,
  ERR_TOKENLENSE_NOT_FOUND: 404,
  ERR_TOKENLENSE_FILE: 404, // listed, and gone since
  ERR_TOKENLENSE_CANCELLED: 409,
  ERR_TOKENLENSE_HOST: 421,
  // Of what is asked for, or of a stored file that was damaged: asking again changes nothing.
  ERR_TOKENLENSE_FORMAT: 422,
  ERR_TOKENLENSE_QUANTISATION: 422,
  ERR_TOKENLENSE_ARCHITECTURE: 422,
  ERR_TOKENLENSE_CAPABILITY: 422,
  ERR_TOKENLENSE_NON_FINITE: 422,
  ERR_TOKENLENSE_MEMORY: 422,
  ERR_TOKENLENSE_BUSY: 429,
  ERR_TOKENLENSE_LIBTORCH: 500,
  ERR_TOKENLENSE_ADDON: 500,
  ERR_TOKENLENSE_PYTHON: 500,
  ERR_TOKENLENSE_DISPOSED: 500,
  ERR_TOKENLENSE_NATIVE: 500,
  ERR_TOKENLENSE_DOWNLOAD: 502,
  ERR_TOKENLENSE_STOPPING: 503,
  ERR_TOKENLENSE_DISK: 507,
};

/** What of an error is told to clients and recorded. */
export function told(error: TokenlenseError) {
  const { code, message, hint } = error;
  return { code, message, ...(hint !== undefined && { hint }) };
}

export const notFound = (message: string, hint?: string) =>
  new TokenlenseError("ERR_TOKENLENSE_NOT_FOUND", message, { hint });

/** Has every failure answered as {@link errorSchema}, under a status that fits. */
export function answerErrors(app: FastifyInstance): void {
  app.setErrorHandler((error: FastifyError, request, reply) => answer(error, request, reply));
  app.setNotFoundHandler((request, reply) =>
    answer(
      notFound(`There is no ${request.method} ${request.url.split("?")[0]}.`, "See /openapi.json."),
      request,
      reply,
    ),
  );
}

/** For what fails before a route is found as well. */
export function answer(thrown: Error, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { status, error } = judged(thrown);
  if (status >= 500) request.log.error({ err: thrown }, error.message);
  else request.log.info({ code: error.code }, error.message);
  if (status === 401) reply.header("www-authenticate", "Bearer");
  if (status === 429) reply.header("retry-after", "5");
  return reply.status(status).send({ error: { ...told(error), requestId: request.id } });
}

function judged(thrown: Error): { status: number; error: TokenlenseError } {
  if (thrown instanceof TokenlenseError) return { status: statuses[thrown.code], error: thrown };
  const { statusCode: status = 500, validation, validationContext } = thrown as FastifyError;
  if (status >= 500) return { status: 500, error: TokenlenseError.from(thrown) };
  const faults = validation?.map(({ instancePath, message }) => {
    const path = instancePath.replaceAll("/", ".").replace(/^\./, "");
    return path ? `${path}: ${message}` : `${validationContext}: ${message}`;
  });
  return { status, error: new TokenlenseError("ERR_TOKENLENSE_INPUT", faults?.join("; ") ?? thrown.message) };
}
