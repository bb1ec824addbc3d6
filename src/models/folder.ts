import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { z } from "zod";
import { TokenlenseError } from "../errors.js";
import { type Checkpoint, inconsistent, type MetadataValue, problems, type StoredTensor } from "./checkpoint.js";
import { readSafetensors } from "./safetensors.js";
import { textSettings, textTensor } from "./text-part.js";
import type { TokenizerFiles, TokenizerJson } from "./tokenizer-json.js";
import { loadLibrary } from "./tokenizer-library.js";

export const CONFIG = "config.json";
export const INDEX = "model.safetensors.index.json";
/** Unless there is an index. */
export const WEIGHTS = "model.safetensors";
export const TOKENIZER = "tokenizer.json";
/** May be there. */
export const EXTRAS = ["generation_config.json", "tokenizer_config.json", "chat_template.jinja"] as const;

/** What older versions of transformers saved though it follows from the settings: rotary frequencies, and GPT-2's causal masks. */
const DERIVED = /rotary_emb\.inv_freq$|^(transformer\.)?h\.\d+\.attn\.(masked_)?bias$/;

/** Every file of a folder that goes into the archive. Their digests in order are the folder's. */
export async function folderFiles(folder: string): Promise<string[]> {
  for (const name of [CONFIG, TOKENIZER]) {
    if (!existsSync(join(folder, name))) {
      throw new TokenlenseError("ERR_TOKENLENSE_FILE", `${folder} has no ${name}.`, {
        hint: `A model folder has ${CONFIG}, ${TOKENIZER} and safetensors files, as on the Hugging Face hub, or one .gguf file.`,
      });
    }
  }
  const extras = [INDEX, ...EXTRAS].filter((name) => existsSync(join(folder, name)));
  return [CONFIG, TOKENIZER, ...extras, ...(await weightFiles(folder))].map((name) => join(folder, name));
}

/** Names of the files that the weights of a folder are in, whether they are there or not. */
export async function weightNames(folder: string): Promise<string[]> {
  const index = await readJson(folder, INDEX, z.object({ weight_map: z.record(z.string(), z.string()) }));
  return index ? [...new Set(Object.values(index.weight_map))].sort() : [WEIGHTS];
}

async function weightFiles(folder: string): Promise<string[]> {
  const names = await readdir(folder);
  const wanted = await weightNames(folder);
  const missing = wanted.find((name) => !names.includes(name) || basename(name) !== name);
  if (missing === undefined) return wanted;
  throw new TokenlenseError("ERR_TOKENLENSE_FILE", `${folder} has no ${missing}.`, {
    hint: names.some((name) => /\.(bin|pth?)$/.test(name))
      ? "Its weights are in PyTorch's own format: save them with transformers' save_pretrained, which writes safetensors."
      : "Download the missing file.",
  });
}

/**
 * Reads a Hugging Face folder: its config.json, and where each tensor lies; of a model that sees pictures too, the text model's.
 * @throws ERR_TOKENLENSE_FILE, _FORMAT, _QUANTISATION as {@link readSafetensors}.
 */
export async function readFolder(folder: string): Promise<Checkpoint> {
  const config = ((await readJson(folder, CONFIG, z.looseObject({}))) ?? {}) as Record<string, MetadataValue>;
  if (config.quantization_config) {
    throw new TokenlenseError(
      "ERR_TOKENLENSE_QUANTISATION",
      `${folder} holds quantised weights (quantization_config).`,
      {
        hint: "Take the model in F32, F16 or BF16, or as a GGUF file.",
      },
    );
  }
  const { settings, part } = textSettings(config);
  const tensors = new Map<string, StoredTensor>();
  for (const name of await weightFiles(folder)) {
    for (const tensor of await readSafetensors(join(folder, name), DERIVED)) {
      const own = part ? textTensor(tensor.name) : tensor.name;
      if (own !== undefined) tensors.set(own, tensor);
    }
  }
  return { format: "folder", path: folder, settings: new Map(Object.entries(settings)), tensors };
}

const step = z.looseObject({ type: z.string() });
const tokenizerSchema = z.looseObject({
  added_tokens: z.array(z.looseObject({ id: z.int(), content: z.string() })).default([]),
  normalizer: step.nullable().default(null),
  pre_tokenizer: step.nullable().default(null),
  post_processor: step.nullable().default(null),
  decoder: step.nullable().default(null),
  model: step,
});

const tokenIds = z.union([z.int(), z.array(z.int())]).nullish();
const tokenName = z.union([z.string(), z.looseObject({ content: z.string() })]).nullish();
const configSchema = z.looseObject({ bos_token_id: tokenIds, eos_token_id: tokenIds, pad_token_id: tokenIds });
const tokenizerConfigSchema = z.looseObject({
  unk_token: tokenName,
  chat_template: z.union([z.string(), z.array(z.object({ name: z.string(), template: z.string() }))]).nullish(),
});

/** The tokenizer of a Hugging Face folder, and its special tokens; generation_config.json goes before config.json. */
export async function tokenizerFromFolder(folder: string): Promise<TokenizerFiles> {
  const json = (await readJson(folder, TOKENIZER, tokenizerSchema)) as TokenizerJson | undefined;
  if (!json) throw inconsistent(folder, `has no ${TOKENIZER}`);
  const config = (await readJson(folder, "tokenizer_config.json", tokenizerConfigSchema)) ?? {};
  const ids = {
    ...defined(await readJson(folder, CONFIG, configSchema)),
    ...defined(await readJson(folder, "generation_config.json", configSchema)),
  };
  const list = (value: z.infer<typeof tokenIds>) => [value ?? []].flat();
  const library = loadLibrary(json, config);
  const unknown = typeof config.unk_token === "object" ? config.unk_token?.content : config.unk_token;
  const bos = list(ids.bos_token_id)[0] ?? null;
  return {
    json,
    config,
    tokens: {
      bos,
      eos: list(ids.eos_token_id),
      pad: list(ids.pad_token_id)[0] ?? null,
      unk: (unknown ? library.token_to_id(unknown) : undefined) ?? null,
    },
    addBos: bos !== null && library.encode("").ids[0] === bos,
    chatTemplate: await chatTemplate(folder, config.chat_template),
  };
}

const defined = (ids: z.infer<typeof configSchema> | undefined) =>
  Object.fromEntries(Object.entries(ids ?? {}).filter(([, value]) => value !== null)) as z.infer<typeof configSchema>;

async function chatTemplate(
  folder: string,
  listed: z.infer<typeof tokenizerConfigSchema>["chat_template"],
): Promise<string | null> {
  const path = join(folder, "chat_template.jinja");
  if (existsSync(path)) return readFile(path, "utf8");
  if (!Array.isArray(listed)) return listed ?? null;
  return listed.find(({ name }) => name === "default")?.template ?? null;
}

async function readJson<T extends z.ZodType>(folder: string, name: string, schema: T): Promise<z.infer<T> | undefined> {
  const path = join(folder, name);
  if (!existsSync(path)) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(await readFile(path, "utf8"));
  } catch (cause) {
    throw inconsistent(path, `is not JSON: ${(cause as Error).message}`);
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw inconsistent(path, `does not hold: ${problems(parsed.error)}`);
}
