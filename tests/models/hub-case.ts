import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, vi } from "vitest";
import { TokenlenseError } from "../../src/errors.js";
import { obtainFromHub } from "../../src/models/hub.js";
import { type HubOptions, parseHubSource } from "../../src/models/hub-source.js";
import { isolated } from "../install/temporary.js";
import { writeTinyFolder } from "./folder-writer.js";
import { type Fault, type Repository, type Request, type StandInHub, standInHub } from "./hub-standin.js";
import { TINY, writeTinyLlama } from "./tiny.js";

const libtorch = process.env.LIBTORCH;
/** The folder of the test; the hub's cache is in it, and no token but a test's own is seen. */
export const test = isolated();
export let server: StandInHub | undefined;
beforeEach(() => {
  vi.stubEnv("LIBTORCH", libtorch);
  vi.stubEnv("HF_HUB_CACHE", join(test.folder, "hub"));
  vi.stubEnv("HF_HOME", join(test.folder, "home"));
  for (const name of [
    "HF_HUB_OFFLINE",
    "TRANSFORMERS_OFFLINE",
    "HF_TOKEN",
    "HUGGINGFACE_TOKEN",
    "HUGGING_FACE_HUB_TOKEN",
    "HF_TOKEN_PATH",
  ])
    vi.stubEnv(name, undefined);
});
afterEach(async () => {
  await server?.close();
  server = undefined;
});

export const NAME = "someone/tiny-llama";
export const LATER = "1".repeat(40);

/** A folder of safetensors as a repository has it, with files beside that no model needs. */
export function folderFiles(shards = 1): Record<string, Buffer> {
  const folder = join(test.folder, `made-${shards}`);
  writeTinyFolder(folder, TINY, { shards });
  const files = readdirSync(folder).map((name) => [name, readFileSync(join(folder, name))] as const);
  return { "README.md": Buffer.from("# tiny"), ...Object.fromEntries(files), "onnx/model.bin": Buffer.alloc(5000) };
}

export function ggufFile(seed = 3): Buffer {
  const path = join(test.folder, `made-${seed}.gguf`);
  writeTinyLlama(path, { ...TINY, encoding: "Q8_0", seed });
  return readFileSync(path);
}

/** Serves repositories; what `fault` says of the n-th request for the same path. */
export async function hub(
  repositories: Record<string, Repository>,
  fault?: (request: Request, earlier: number) => Fault | undefined,
): Promise<StandInHub> {
  await server?.close();
  server = await standInHub(repositories, fault);
  vi.stubEnv("HF_ENDPOINT", server.url);
  return server;
}

export const obtain = (text: string, options: HubOptions = {}) => {
  const source = parseHubSource(text);
  if (!source) throw new Error(`${text} is no source`);
  return obtainFromHub(source, options);
};

export async function failure(text: string, options: HubOptions = {}): Promise<TokenlenseError> {
  const error = await obtain(text, options).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(TokenlenseError);
  return error as TokenlenseError;
}

export const storage = (name = NAME) => join(test.folder, "hub", `models--${name.replace("/", "--")}`);
export const blobs = () => readdirSync(join(storage(), "blobs"));
export const weights = (path: string) => path.startsWith("/cdn/") && path.endsWith(".safetensors");
export const asked = (hub: StandInHub, part: string) => hub.requests.filter(({ path }) => path.includes(part));
