import { existsSync, statSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import { basename, extname, join, resolve, sep } from "node:path";
import { TokenlenseError } from "../errors.js";
import { native } from "../install/binding.js";
import type { NativeModel } from "../native.js";
import { nearest } from "../nearest.js";
import { run, throwIfCancelled } from "../task.js";
import { archivePath, buildArchive, type Source } from "./build.js";
import { ARCHIVE_FILES, CONTRACT_HINT, type Contract, parseContract } from "./contract.js";
import { knownSha256, rememberedSha256, sha256 } from "./digest.js";
import type { LoadOptions } from "./progress.js";
import { KNOWN_MODELS, type KnownModel, obtain } from "./sources.js";
import { Tokenizer } from "./tokenizer.js";
import type { TokenizerJson } from "./tokenizer-json.js";

export type { LoadOptions, LoadProgress } from "./progress.js";

export interface LoadModelOptions extends LoadOptions {
  /** "auto" takes a CUDA device where libtorch sees one, else the CPU; or "cpu", "cuda", "cuda:1", "mps". Default "auto". */
  device?: string | undefined;
}

/** A model in memory. Its weights go back at `dispose()`, or when it is collected. */
export class Model implements Disposable {
  /** The known name, or the file's or folder's. */
  readonly name: string;
  readonly contract: Contract;
  readonly tokenizer: Tokenizer;
  readonly native: NativeModel;
  /** The archive that was loaded. */
  readonly path: string;

  constructor(name: string, path: string, handle: NativeModel) {
    this.name = name;
    this.path = path;
    this.native = handle;
    this.contract = parseContract(handle.contract, path);
    const json = (file: string): unknown => {
      const bytes = handle.file(file);
      if (bytes) return JSON.parse(Buffer.from(bytes).toString());
      throw new TokenlenseError("ERR_TOKENLENSE_FORMAT", `${path} has no ${file}.`, {
        hint: CONTRACT_HINT,
      });
    };
    const tokenizer = json(ARCHIVE_FILES.tokenizer) as TokenizerJson;
    const config = json(ARCHIVE_FILES.tokenizerConfig) as Record<string, unknown>;
    this.tokenizer = new Tokenizer(tokenizer, config, this.contract);
  }

  dispose(): void {
    this.native.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/**
 * Loads a model, and first fetches and builds it where need be; what was built is kept in the cache.
 *
 * @param source a known name ("smollm2-135m-instruct"); a .gguf file; a folder with config.json, tokenizer.json and
 * safetensors files, or with one .gguf file; or a .pt archive of this package.
 * @throws ERR_TOKENLENSE_MODEL for an unknown name, ERR_TOKENLENSE_FILE for a path that is not there, _FORMAT, _QUANTISATION and
 * _ARCHITECTURE for a model that cannot be read, _DOWNLOAD, _DISK, _CANCELLED, and the addon's own.
 */
export async function loadModel(source: string, options: LoadModelOptions = {}): Promise<Model> {
  try {
    throwIfCancelled(options.signal);
    return await locateAndLoad(source, options);
  } catch (error) {
    throw TokenlenseError.from(error);
  }
}

async function locateAndLoad(source: string, options: LoadModelOptions): Promise<Model> {
  const { name, archive, build } = await locate(source, options);
  if (!existsSync(archive)) await build?.();
  try {
    return await openArchive(name, archive, options);
  } catch (error) {
    if (!build || TokenlenseError.from(error).code !== "ERR_TOKENLENSE_FORMAT") throw error;
    // The cache's own copy is damaged, which a user can do nothing about: once more from its source.
    await rm(archive, { force: true });
    await build();
    return openArchive(name, archive, options);
  }
}

/** Loads an archive. Errors: those of {@link loadModel} for a .pt file. */
export async function openArchive(
  name: string,
  archive: string,
  { device = "auto", signal, onProgress }: LoadModelOptions,
): Promise<Model> {
  onProgress?.({ phase: "load", done: 0, total: 1, unit: "steps" });
  const handle = await run(native().loadModel(archive, device), signal).catch((error: unknown) => {
    throw unreadable(archive, TokenlenseError.from(error));
  });
  try {
    const model = new Model(name, archive, handle);
    if (model.contract.contract === "minimal") await (await import("./minimal.js")).requireMinimal(model, signal);
    onProgress?.({ phase: "load", done: 1, total: 1, unit: "steps" });
    return model;
  } catch (error) {
    handle.dispose();
    throw error;
  }
}

/** What libtorch says of a file that is no TorchScript archive takes the file for a damaged one, which it mostly is not. */
function unreadable(path: string, error: TokenlenseError): TokenlenseError {
  if (error.code !== "ERR_TOKENLENSE_FORMAT") return error;
  const pickle = /constants\.pkl|central directory/.test(error.message);
  const message = pickle
    ? `${path} is no TorchScript archive: it was written by torch.save (weights, or a Python object), or is cut short.`
    : error.message;
  return new TokenlenseError(error.code, message, { hint: CONTRACT_HINT, cause: error });
}

interface Located {
  name: string;
  archive: string;
  /** Makes the archive; undefined where the archive is the user's own. */
  build: (() => Promise<void>) | undefined;
}

async function locate(source: string, options: LoadOptions): Promise<Located> {
  const known = Object.hasOwn(KNOWN_MODELS, source) ? KNOWN_MODELS[source] : undefined;
  if (known) return locateKnown(source, known, options);
  const path = resolve(source);
  const found = source === "" ? undefined : statSync(path, { throwIfNoEntry: false });
  if (!found) throw notFound(source);
  if (found.isDirectory()) {
    const names = (await readdir(path)).filter((name) => extname(name).toLowerCase() === ".gguf");
    const [only] = names;
    if (names.length === 1 && only && !existsSync(join(path, "config.json")))
      return locateGguf(join(path, only), options);
    return locateFolder(path, options);
  }
  const ending = extname(path).toLowerCase();
  if (ending === ".gguf") return locateGguf(path, options);
  if (ending === ".pt") return { name: basename(path, extname(path)), archive: path, build: undefined };
  throw new TokenlenseError("ERR_TOKENLENSE_FORMAT", `${path} is no kind of model that can be read.`, {
    hint: "Readable are .gguf files, Hugging Face folders with safetensors, and .pt archives of this package.",
  });
}

function locateKnown(name: string, known: KnownModel, options: LoadOptions): Located {
  const archive = archivePath(name, known.sha256);
  const build = async () => {
    let path = await obtain(name, known, options);
    if ((await sha256(path, options)) !== known.sha256) {
      await rm(path, { force: true });
      path = await obtain(name, known, options);
    }
    await buildArchive(archive, await ggufSource(name, path, known.sha256), options);
  };
  return { name, archive, build };
}

async function locateGguf(path: string, options: LoadOptions): Promise<Located> {
  const name = basename(path, extname(path));
  // A file that was never seen is looked into before it is read as a whole: what is no model is known at once then.
  if ((await knownSha256(path)) === undefined) await (await import("./gguf.js")).readGguf(path);
  const digest = await rememberedSha256(path, options);
  const archive = archivePath(name, digest);
  return { name, archive, build: async () => buildArchive(archive, await ggufSource(name, path, digest), options) };
}

async function locateFolder(path: string, options: LoadOptions): Promise<Located> {
  const { folderFiles, readFolder, tokenizerFromFolder } = await import("./folder.js");
  const { createHash } = await import("node:crypto");
  const whole = createHash("sha256");
  for (const file of await folderFiles(path))
    whole.update(`${basename(file)} ${await rememberedSha256(file, options)}\n`);
  const digest = whole.digest("hex");
  const name = basename(path);
  const archive = archivePath(name, digest);
  const build = async () => {
    const checkpoint = await readFolder(path);
    await buildArchive(
      archive,
      { name, sha256: digest, checkpoint, tokenizer: () => tokenizerFromFolder(path) },
      options,
    );
  };
  return { name, archive, build };
}

async function ggufSource(name: string, path: string, digest: string): Promise<Source> {
  const { readGguf } = await import("./gguf.js");
  const { tokenizerFromGguf } = await import("./tokenizer-json.js");
  const checkpoint = await readGguf(path);
  return { name, sha256: digest, checkpoint, tokenizer: (vocabulary) => tokenizerFromGguf(checkpoint, vocabulary) };
}

function notFound(source: string): TokenlenseError {
  if (source.includes("/") || source.includes(sep) || /^\.|\.(gguf|pt|safetensors)$/i.test(source)) {
    return new TokenlenseError("ERR_TOKENLENSE_FILE", `There is no ${resolve(source)}.`, {
      hint: "Give the path of a .gguf file, a model folder or a .pt archive.",
    });
  }
  const names = Object.keys(KNOWN_MODELS);
  const near = nearest(source, names);
  return new TokenlenseError("ERR_TOKENLENSE_MODEL", `No model is called "${source}", and there is no such file.`, {
    hint: `${near.length > 0 ? `Did you mean ${near.join(" or ")}?` : `Known: ${names.join(", ")}.`} A path to a .gguf file, a model folder or a .pt archive works too.`,
  });
}
