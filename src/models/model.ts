import { existsSync } from "node:fs";
import { rm, utimes } from "node:fs/promises";
import { z } from "zod";
import { TokenlenseError } from "../errors.js";
import { native } from "../install/binding.js";
import type { NativeModel } from "../native.js";
import { device, parseOptions } from "../options.js";
import { run, throwIfCancelled } from "../task.js";
import { buildArchive } from "./build.js";
import { ARCHIVE_FILES, CONTRACT_HINT, type Contract, parseContract } from "./contract.js";
import { locate } from "./locate.js";
import type { BuildOptions } from "./progress.js";
import { Tokenizer } from "./tokenizer.js";
import type { TokenizerJson } from "./tokenizer-json.js";

export type { BuildOptions, LoadOptions, LoadProgress } from "./progress.js";

export interface LoadModelOptions extends BuildOptions {
  /**
   * "auto" takes a CUDA device where libtorch sees one, else the CPU; or "cpu", "cuda", "cuda:1", "mps". Several with commas
   * between, "cuda:0,cuda:1", hold as many of the layers each, one after another; embeddings and head lie on the first.
   * Default "auto".
   */
  device?: string | undefined;
}

const checkedOptions = z.looseObject({ device: device.optional() });

/** A model in memory. Its weights go back at `dispose()`, or when it is collected. */
export class Model implements Disposable {
  /** The known name, the hub's, or the file's or folder's. */
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
 * safetensors files, or with one .gguf file; a .pt archive of this package; or, where there is no such file or folder, a
 * repository of the Hugging Face hub: "owner/name", "owner/name@revision", "owner/name:file.gguf".
 * @throws ERR_TOKENLENSE_INPUT for an option, ERR_TOKENLENSE_MODEL for an unknown name, ERR_TOKENLENSE_FILE for a path that is not there, _FORMAT, _QUANTISATION and
 * _ARCHITECTURE for a model that cannot be read, _ACCESS, _DOWNLOAD, _DISK, _CANCELLED, and the addon's own.
 */
export async function loadModel(source: string, options: LoadModelOptions = {}): Promise<Model> {
  try {
    throwIfCancelled(options.signal);
    parseOptions(checkedOptions, options);
    return await locateAndLoad(source, options);
  } catch (error) {
    throw TokenlenseError.from(error);
  }
}

async function locateAndLoad(text: string, options: LoadModelOptions): Promise<Model> {
  const { name, archive, source } = await locate(text, options);
  if (source && !existsSync(archive)) await buildArchive(archive, await source(), options);
  try {
    const model = await openArchive(name, archive, options);
    if (options.dtype && model.contract.dtype !== options.dtype) {
      model.dispose();
      throw new TokenlenseError(
        "ERR_TOKENLENSE_INPUT",
        `${archive} is in ${model.contract.dtype}, not ${options.dtype}.`,
        {
          hint: "dtype is for models that are built here: give the GGUF file or the folder that the archive was made of.",
        },
      );
    }
    // When an archive of the cache was last used is its time: systems note reading late, or not at all.
    if (source) await utimes(archive, new Date(), new Date()).catch(() => {});
    return model;
  } catch (error) {
    if (!source || (TokenlenseError.from(error).code !== "ERR_TOKENLENSE_FORMAT" && existsSync(archive))) throw error;
    // The cache's own copy is damaged, or was removed just now: once more from its source.
    await rm(archive, { force: true });
    await buildArchive(archive, await source(), options);
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
