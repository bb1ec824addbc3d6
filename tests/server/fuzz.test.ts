import { basename } from "node:path";
import fc from "fast-check";
import { expect, it } from "vitest";
import { methods } from "../../src/methods/index.js";
import { steps } from "../../src/steps/index.js";
import { save } from "../../src/storage/results.js";
import { example } from "../example.js";
import { temporaryFolder, writeTinyModel } from "../tiny-model.js";
import { fromSchema, type Schema } from "./from-schema.js";
import { ask, jobAt, json, resultsFolder, server } from "./running.js";

interface Operation {
  parameters?: { name: string; in: string; schema: Schema }[];
  requestBody?: { content: Record<string, { schema: Schema }> };
}

interface OpenApi {
  paths: Record<string, Record<string, Operation>>;
}

const RUNS = 1000;

it("requests made from the OpenAPI document are answered with 2xx or 4xx, whatever is in them", async () => {
  const model = writeTinyModel(temporaryFolder());
  const folder = resultsFolder();
  // So many that some are still there when others were removed.
  const files: string[] = [];
  for (let i = 0; i < 40; i++) files.push(basename(await save(example(["a", " b"], [" c"]), folder)));
  const { metadata, data } = example(["d"], [" e"]).toJSON();
  const running = await server({ folder, models: [model], limits: { client: 4 } });
  const { id } = (await ask(running, { model, prompt: "x", maxNewTokens: 1 })).json();
  await jobAt(running, id);

  /** What is there, by the parameter's or the property's name. */
  const given: Record<string, readonly unknown[]> = {
    ...{ model: [model, "tiny-model"], method: ["saliency", ...Object.keys(methods)], fileId: [0], id: [id, ...files] },
    ...{ files: ["tiny-model/saliency/0"], prompt: ["The sky"], step: Object.keys(steps) },
    ...{
      metadata: [metadata],
      data: [data],
      since: ["2020-01-01T00:00:00Z"],
      until: ["2030-01-01T00:00:00Z"],
      merged: [true],
    },
  };
  const { paths } = await json<OpenApi>(running, "/openapi.json");
  const operations = Object.entries(paths).flatMap(([path, methodsOf]) =>
    // Jobs more often: their requests have the most in them.
    Object.entries(methodsOf).flatMap(([method, operation]) =>
      Array.from({ length: method === "post" ? 8 : 1 }, () => ({ path, method, operation })),
    ),
  );
  expect(operations.length).toBeGreaterThan(20);

  const seen = new Map<string, number>();
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...operations).chain((each) => requestOf(each, given)),
      async (request) => {
        const { statusCode, body } = await running.app.inject(request as never);
        const kind = `${Math.floor(statusCode / 100)}xx`;
        seen.set(kind, (seen.get(kind) ?? 0) + 1);
        expect({ ...request, kind, body }).toMatchObject({ kind: expect.stringMatching(/^[24]xx$/) });
        if (kind === "4xx")
          expect(JSON.parse(body)).toEqual({ error: expect.objectContaining({ code: expect.any(String) }) });
      },
    ),
    { numRuns: RUNS },
  );
  // Neither all refused nor all let through: else the requests would show nothing.
  for (const kind of ["2xx", "4xx"]) expect(seen.get(kind)).toBeGreaterThan(RUNS / 20);
  expect((await json<{ total: number }>(running, "/attributions")).total).toBeGreaterThan(1);
  const { items } = await json<{ items: { id: string; prompt: string }[] }>(running, "/results?pageSize=200");
  expect(files.filter((name) => !items.some((item) => item.id === name)).length).toBeGreaterThan(0); // removed
  expect(items.some(({ prompt }) => prompt === "d")).toBe(true); // brought
});

function requestOf(
  { path, method, operation }: { path: string; method: string; operation: Operation },
  given: Record<string, readonly unknown[]>,
): fc.Arbitrary<object> {
  const parameters = (operation.parameters ?? []).map(({ name, in: place, schema }) => {
    const known = given[name];
    const own = fromSchema(schema, given).map((value) => (Array.isArray(value) ? value : [value]).map(textOf));
    const value = known
      ? fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...known.map((one) => [textOf(one)])) }, own)
      : own;
    return value.map((values) => ({ name, place, values }));
  });
  const schema = operation.requestBody?.content["application/json"]?.schema;
  const body = schema ? fromSchema(schema, given) : fc.constant(undefined);
  return fc.tuple(fc.tuple(...parameters), body).map(([values, payload]) => {
    const filled = values
      .filter(({ place }) => place === "path")
      .reduce((url, { name, values: [first = ""] }) => url.replace(`{${name}}`, encodeURIComponent(first)), path);
    const query = values
      .filter(({ place }) => place === "query")
      .flatMap(({ name, values: all }) => all.map((value) => `${name}=${encodeURIComponent(value)}`));
    return {
      method: method.toUpperCase(),
      url: query.length > 0 ? `${filled}?${query.join("&")}` : filled,
      ...(payload !== undefined && {
        payload: JSON.stringify(payload),
        headers: { "content-type": "application/json" },
      }),
    };
  });
}

/** As it would stand in a URL; in place of halves of characters, which no URL holds, U+FFFD. */
const textOf = (value: unknown): string =>
  Buffer.from(typeof value === "string" ? value : (JSON.stringify(value) ?? "")).toString();
