import { type FileHandle, open } from "node:fs/promises";
import { z } from "zod";
import { TokenlenseError } from "../../errors.js";
import type { Attribution } from "../../result.js";
import { fileStem } from "../../storage/files.js";
import { inseqBytes } from "../../storage/inseq-write.js";
import { toJsonText } from "../../storage/json.js";
import { meets } from "../../storage/list.js";
import { load } from "../../storage/results.js";
import { nativeDocument } from "../../storage/schema.js";
import { scoresFile } from "../../storage/scores.js";
import { compare } from "../../viz/visualize.js";
import type { App, Context } from "../app.js";
import { errorSchema } from "../errors.js";
import type { Entry } from "./describe.js";
import { comparisonSchema, facets, page, pageFrom, pageOf, repeated, resultSummary } from "./schemas.js";

const MOST_COMPARED = 8;

const query = z.object({
  ...page,
  model: z.string().optional().describe("a part of the model's name, in any case"),
  method: z.string().optional(),
  text: z.string().optional().describe("a part of the prompt, in any case"),
  since: z.iso.datetime({ offset: true }).optional().describe("made then or later"),
  until: z.iso.datetime({ offset: true }).optional().describe("made then or before"),
});

const one = z.object({ id: z.string().describe("as GET /results lists them, percent-encoded") });
const sequence = z.object({
  sequence: z.coerce.number().int().nonnegative().default(0).describe("of a file of Inseq's that holds several"),
});

const damaged = z.object({ id: z.string(), code: z.string(), message: z.string() });

/** Stored results: their list, each one, and how far several agree. */
export function resultRoutes(app: App, { catalogue }: Context): void {
  const tags = ["results"];

  app.get(
    "/results",
    {
      schema: {
        tags,
        summary: "Stored results, the newest first",
        querystring: query,
        response: { 200: pageOf(resultSummary).extend({ facets, damaged: z.array(damaged) }), default: errorSchema },
      },
    },
    async ({ query }) => {
      const { entries, damaged } = await catalogue.list();
      const { since, until, ...rest } = query;
      const [from, to] = [since, until].map((text) => (text === undefined ? undefined : new Date(text)));
      const found = entries.filter((entry) => meets(entry, { ...rest, since: from, until: to }));
      return {
        ...pageFrom(found.map(summarise), query),
        facets: {
          models: counted(entries.map(({ modelName }) => modelName)),
          methods: counted(entries.map(({ method }) => method)),
        },
        damaged: damaged.map(({ id, error: { code, message } }) => ({ id, code, message })),
      };
    },
  );

  app.get(
    "/results/compare",
    {
      schema: {
        tags,
        summary: "How far results agree, each pair of them",
        querystring: z.object({ id: repeated, topK: z.coerce.number().int().min(1).max(1000).default(3) }),
        response: { 200: comparisonSchema, default: errorSchema },
      },
    },
    async ({ query: { id: ids, topK } }) => {
      if (ids.length < 2 || ids.length > MOST_COMPARED)
        throw new TokenlenseError(
          "ERR_TOKENLENSE_INPUT",
          `id: give 2 to ${MOST_COMPARED} results, there are ${ids.length}.`,
        );
      const entries: Entry[] = [];
      for (const id of ids) entries.push(await catalogue.find(id));
      const results: Attribution[] = [];
      try {
        for (const { path } of entries) results.push(await load(path));
        return { results: entries.map(summarise), pairs: compare(results, { topK }) };
      } finally {
        for (const result of results) result.dispose();
      }
    },
  );

  app.get(
    "/results/:id",
    {
      schema: {
        tags,
        summary: "A result in TokenLense's native storage schema",
        description: "Where it has very many scores, `association_matrix` is empty, and /results/{id}/scores has them.",
        params: one,
        querystring: sequence,
        response: { 200: nativeDocument, default: errorSchema },
      },
    },
    async ({ params, query: { sequence } }, reply) => {
      const { path, format } = await catalogue.find(params.id);
      reply.type("application/json");
      // As it lies there: it was checked when it was listed.
      if (format === "native" && sequence === 0) return reply.send((await opened(path)).createReadStream() as never);
      using result = await load(path, { sequence });
      return reply.send(toJsonText(result.toJSON()) as never);
    },
  );

  app.get(
    "/results/:id/summary",
    {
      schema: {
        tags,
        summary: "What a list says of a result",
        params: one,
        response: { 200: resultSummary, default: errorSchema },
      },
    },
    async ({ params }) => summarise(await catalogue.find(params.id)),
  );

  app.get(
    "/results/:id/inseq",
    {
      schema: {
        tags,
        summary: "A result as a file for inseq.FeatureAttributionOutput.load",
        params: one,
        querystring: sequence,
        response: { 200: { content: { "application/json": { schema: z.unknown() } } }, default: errorSchema },
      },
    },
    async ({ params, query }, reply) => {
      const { path } = await catalogue.find(params.id);
      using result = await load(path, query);
      return reply
        .type("application/json")
        .header("content-disposition", `attachment; filename="${fileStem(result)}_inseq.json"`)
        .send(inseqBytes(result) as never);
    },
  );

  app.get(
    "/results/:id/scores",
    {
      schema: {
        tags,
        summary: "A result's scores as a safetensors file: float32 `scores`, [sequence, outputs, …]",
        params: one,
        querystring: sequence.extend({
          merged: z.stringbool().default(false).describe("one score each: [sequence, outputs]"),
        }),
        response: {
          200: { content: { "application/octet-stream": { schema: z.unknown() } } },
          default: errorSchema,
        },
      },
    },
    async ({ params, query }, reply) => {
      const { path } = await catalogue.find(params.id);
      using result = await load(path, query);
      const { tokens, outputs, tokenScores } = result;
      const chosen = query.merged ? { scores: tokenScores, shape: [tokens.length, outputs] } : result;
      return reply.type("application/octet-stream").send(Buffer.concat(scoresFile(chosen)));
    },
  );
}

/** Before the answer begins, so that a file which has just gone is told as such. */
async function opened(path: string): Promise<FileHandle> {
  try {
    return await open(path);
  } catch (cause) {
    throw new TokenlenseError("ERR_TOKENLENSE_FILE", "The result's file cannot be read any more.", { cause });
  }
}

/** The most frequent first. */
function counted(names: readonly string[]): z.output<typeof facets>["models"] {
  const results = new Map<string, number>();
  for (const name of names) results.set(name, (results.get(name) ?? 0) + 1);
  return [...results].map(([name, count]) => ({ name, results: count })).sort((a, b) => b.results - a.results);
}

function summarise(entry: Entry): z.output<typeof resultSummary> {
  const { id, format, sequences, modelName: model, method, step, prompt, promptLength, outputs, seconds } = entry;
  const timestamp = entry.timestamp.toISOString();
  return { id, format, sequences, model, method, step, prompt, promptLength, outputs, timestamp, seconds };
}
