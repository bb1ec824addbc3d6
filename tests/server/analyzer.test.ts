import { mkdir, symlink, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { describe, expect, it } from "vitest";
import type { z } from "zod";
import * as answers from "../../src/server/analyzer/schemas.js";
import { save } from "../../src/storage/results.js";
import { example } from "../example.js";
import { json, resultsFolder, server } from "./running.js";

const later = { timestamp: new Date("2025-05-01T00:00:00Z") };
const inAnalyzer = { format: "inseq", layout: "analyzer" } as const;

/** Of one model and method three files, native and Inseq's; of another method one, whose scores have heads; of another model one. */
async function filled() {
  const folder = resultsFolder();
  const files = [
    await save(example(["The", " sky"], [" is", " blue", "."]), folder),
    await save(example(["Two", " words"], [" more"], undefined, later), folder, { format: "inseq" }),
    await save(example(["In", " its", " place"], [" here"]), folder, inAnalyzer),
  ].map((file) => basename(file));
  const heads = { shape: [2, 1, 1, 3], dimensions: ["layer", "head"], scores: Float32Array.of(1, -2, 2, 0, 0, 0) };
  await save(example(["a"], [" b"], undefined, { ...heads, method: "attention" }), folder);
  await save(example(["x"], [" y"], undefined, { modelName: "Other/GPT-2" }), folder, inAnalyzer);
  return { folder, files: files.sort(), running: await server({ folder }) };
}

/** What is answered holds to what the Analyzer's OpenAPI document has. */
async function get<Schema extends z.ZodType>(running: Parameters<typeof json>[0], url: string, schema: Schema) {
  const answer = await json(running, url);
  expect(schema.parse(answer)).toEqual(answer);
  return answer as z.output<Schema>;
}

describe("requests as the original's visualizer makes them get the fields that it reads", () => {
  it("models, methods and files", async () => {
    const { running, files } = await filled();
    expect(await get(running, "/models/", answers.modelInfo)).toEqual({ models: ["GPT-2", "tiny-model"] });
    expect(await get(running, "/models/tiny-model/methods", answers.modelMethods)).toEqual({
      model: "tiny-model",
      methods: ["attention", "saliency"],
    });
    const url = "/models/tiny-model/methods/saliency/files";
    const listed = { model: "tiny-model", method: "saliency", files };
    expect(await get(running, `${url}?include_details=false`, answers.modelMethodFile)).toEqual({
      ...listed,
      file_details: null,
    });
    const { file_details: details } = await get(running, `${url}?include_details=true`, answers.modelMethodFile);
    expect(details).toHaveLength(3);
    expect(details?.[files.findIndex((name) => /sky/.test(name))]).toEqual({
      prompt: "The sky",
      generation: "The sky is blue.",
      exec_time: 0.25,
      timestamp: "20250403",
    });
  });

  it("a file's matrix: a row for each token of the whole text, a column for each attributed one", async () => {
    const { running, files } = await filled();
    const at = files.findIndex((name) => /sky/.test(name));
    const url = `/attribution/tiny-model/saliency/${at}`;
    const answer = await get(running, `${url}?aggregation=sum`, answers.attributionResponse);
    const score = (position: number, output: number) => Math.fround((position + 1) / (output + 2));
    expect(answer).toEqual({
      model: "tiny-model",
      method: "saliency",
      file_id: at,
      prompt: "The sky",
      generation: "The sky is blue.",
      source_tokens: ["The", "Ġsky"],
      target_tokens: ["The", "Ġsky", "Ġis", "Ġblue", "."],
      attribution_matrix: [
        [score(0, 0), score(0, 1), score(0, 2)],
        [score(1, 0), score(1, 1), score(1, 2)],
        [0, score(2, 1), score(2, 2)],
        [0, 0, score(3, 2)],
        [0, 0, 0],
      ].map((row) => row.map((value) => expect.closeTo(value, 7))),
      aggregation: "sum",
    });
    const detailed = await get(running, `${url}/detailed?aggregation=sum`, answers.detailedResponse);
    expect(detailed).toEqual({
      ...answer,
      attribution_matrix: expect.anything(),
      source_tokens: answer.source_tokens.map((token, id) => ({ id, token })),
      target_tokens: answer.target_tokens.map((token, id) => ({ id, token })),
      matrix_info: { shape: [5, 3], dtype: "float32", is_attention: false, tensor_type: "saliency" },
      exec_time: 0.25,
      original_attribution_shape: [5, 3],
    });
  });

  it("the same of each file, whatever its format", async () => {
    const { running, files } = await filled();
    for (const [id] of files.entries()) {
      const { prompt, target_tokens, attribution_matrix } = await get(
        running,
        `/attribution/tiny-model/saliency/${id}`,
        answers.attributionResponse,
      );
      expect(files[id]).toContain(prompt.replaceAll(" ", "_"));
      expect(attribution_matrix).toHaveLength(target_tokens.length);
      expect(attribution_matrix[0]?.[0]).toBe(0.5);
    }
  });

  it.each([
    ["sum", 1],
    ["mean", 1 / 3],
    ["l2_norm", 3],
    ["abs_sum", 5],
    ["max", 2],
  ])("further dimensions by %s", async (aggregation, expected) => {
    const { running } = await filled();
    const url = `/attribution/tiny-model/attention/0/detailed?aggregation=${aggregation}`;
    const answer = await get(running, url, answers.detailedResponse);
    expect(answer.attribution_matrix).toEqual([[expect.closeTo(expected, 6)], [0]]);
    expect(answer.matrix_info).toEqual({
      shape: [2, 1, 1, 3],
      dtype: "float32",
      is_attention: true,
      tensor_type: "attention",
    });
    const { methods, default: initial } = await get(
      running,
      "/attribution/aggregation_methods",
      answers.aggregationOptions,
    );
    expect(methods).toContain(aggregation);
    expect(initial).toBe("sum");
  });

  it("comparison, token importance and raw files", async () => {
    const { running } = await filled();
    const names = "files=tiny-model/saliency/0&files=GPT-2/saliency/0";
    const { results, count } = await get(running, `/attribution/compare?${names}`, answers.compareResponse);
    expect([count, ...results.map(({ metadata }) => metadata.model_name)]).toEqual([
      2,
      "org/tiny-model",
      "Other/GPT-2",
    ]);
    const importance = await get(
      running,
      `/attribution/token_importance?${names}&token_index=0`,
      answers.importanceResponse,
    );
    expect(
      importance.results.map(({ sum_influence, max_influence, influences }) => [
        sum_influence,
        max_influence,
        influences.length,
      ]),
    ).toEqual([
      [0.5, 0.5, 1],
      [0.5, 0.5, 1],
    ]);
    const beyond = `/attribution/token_importance?${names}&token_index=2&is_target=false`;
    expect((await get(running, beyond, answers.importanceResponse)).results.map(({ token }) => token.token)).toEqual([
      "Ġplace",
    ]);
    expect(await json(running, "/attribution/GPT-2/saliency/0/raw")).toMatchObject({
      attributes: { info: { input_texts: ["x"] } },
    });
  });

  it("what is not there is 404, what is no such name 400", async () => {
    const { running } = await filled();
    for (const url of [
      "/models/none/methods",
      "/models/tiny-model/methods/none/files",
      "/attribution/tiny-model/saliency/3",
      "/attribution/compare?files=tiny-model/saliency/9",
    ])
      await json(running, url, 404);
    for (const url of [
      "/attribution/tiny-model/saliency/first",
      "/attribution/tiny-model/saliency/0?aggregation=median",
      "/attribution/compare?files=tiny-model",
      "/attribution/compare",
      "/attribution/token_importance?files=GPT-2/saliency/0&token_index=-1",
    ])
      await json(running, url, 400);
  });
});

describe("performance", () => {
  it("is this machine, and the times of the results, where no benchmark is there", async () => {
    const { running } = await filled();
    const system = await get(running, "/performance/system", answers.systemInfo);
    expect(system.cpu_count).toBeGreaterThan(0);
    expect(system.torch_version).toMatch(/^2\./);
    const { method_timing: methods, prompt_timing: prompts } = await get(
      running,
      "/performance/timing",
      answers.timingResults,
    );
    expect(methods).toContainEqual(
      expect.objectContaining({
        model: "org/tiny-model",
        attribution_method: "saliency",
        average_prompt_time: 0.25,
        average_time: 0.25,
        tokens_per_second: expect.closeTo(5 / 0.75, 6),
        success_rate: 1,
        total_prompts: 3,
      }),
    );
    expect(prompts).toHaveLength(5);
    expect(prompts).toContainEqual(
      expect.objectContaining({
        prompt: "The sky",
        attribution_method: "saliency",
        tokens: 3,
        time: 0.25,
        tokens_per_second: 12,
      }),
    );
  });

  it("is the benchmark's, under the names of its files and of the Analyzer's answers", async () => {
    const folder = resultsFolder();
    await mkdir(join(folder, "data"));
    const write = (name: string, text: string) => writeFile(join(folder, "data", name), text);
    await write("system_info.json", JSON.stringify({ hostname: "bench", cpu_cores: 8, extra: [1] }));
    await write(
      "method_timing_results.csv",
      "model,attribution_method,average_prompt_time,success_rate,cuda_available,gpu_info,min_time\nGPT-2,lime,1.5,0.9,True,A100,nan\n",
    );
    await write(
      "prompt_timing_results.csv",
      'model,attribution_method,prompt_text,token_count,attribution_time,tokens_per_second\nGPT-2,lime,"12, and more",7,0.5,14\n',
    );
    const running = await server({ folder });
    expect(await json(running, "/performance/system")).toMatchObject({
      hostname: "bench",
      cpu_cores: 8,
      extra: [1],
      gpu_info: null,
    });
    const { method_timing: methods, prompt_timing: prompts } = await get(
      running,
      "/performance/timing",
      answers.timingResults,
    );
    expect(methods).toEqual([
      expect.objectContaining({
        ...{ model: "GPT-2", method: "lime", attribution_method: "lime", average_time: 1.5, average_prompt_time: 1.5 },
        ...{ success_rate: 0.9, cuda_available: true, torch_cuda_available: true, gpu_info: "A100", min_time: null },
      }),
    ]);
    expect(prompts).toEqual([
      expect.objectContaining({ method: "lime", prompt: "12, and more", tokens: 7, time: 0.5, tokens_per_second: 14 }),
    ]);
    await write("method_timing_results.csv", "model\nGPT-2\n");
    await json(running, "/performance/timing", 422);
  });
});

it("serves the Analyzer's own folder, dataset runs' folders, and no link out of it", async () => {
  const [folder, outside] = [resultsFolder(), resultsFolder()];
  const secret = await save(example(["s"], [" ecret"], undefined, { modelName: "secret" }), outside);
  await symlink(outside, join(folder, "linked"));
  await symlink(secret, join(folder, basename(secret)));
  await save(example(["a"], [" b"]), join(folder, "questions"));
  await save(example(["a"], [" b"], undefined, { method: "lime" }), join(folder, "nested"), inAnalyzer);
  const running = await server({ folder });
  expect(await json(running, "/models/")).toEqual({ models: ["tiny-model"] });
  const own = await server({ folder: join(folder, "nested", "data") });
  expect(await json(own, "/models/tiny-model/methods")).toEqual({ model: "tiny-model", methods: ["lime"] });
});
