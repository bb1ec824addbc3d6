import { createHash } from "node:crypto";
import { existsSync, statSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import { basename, extname, join, resolve, sep } from "node:path";
import { TokenlenseError } from "../errors.js";
import { nearest } from "../nearest.js";
import { archivePath, type Source } from "./build.js";
import { modelCache } from "./cache.js";
import type { Dtype } from "./contract.js";
import { knownSha256, rememberedSha256, sha256 } from "./digest.js";
import { type HubOptions, isGguf, parseHubSource } from "./hub-source.js";
import type { BuildOptions } from "./progress.js";
import { KNOWN_MODELS, type KnownModel, knownPath, obtain } from "./sources.js";

export interface Located {
  name: string;
  /** Where in the cache its archive is, or belongs; or the user's own archive. */
  archive: string;
  /** What the archive is built from, which is fetched if need be; undefined where the archive is the user's own. */
  source: (() => Promise<Source>) | undefined;
}

/**
 * Finds out what a model's name means. A model of the hub is downloaded by this.
 * @param options.download false: what is in no cache is an error of ERR_TOKENLENSE_FILE.
 * @throws as {@link loadModel}, but for what building and loading throw.
 */
export async function locate(source: string, options: HubOptions): Promise<Located> {
  const known = Object.hasOwn(KNOWN_MODELS, source) ? KNOWN_MODELS[source] : undefined;
  if (known) return locateKnown(source, known, options);
  const path = resolve(source);
  const found = source === "" ? undefined : statSync(path, { throwIfNoEntry: false });
  if (!found) {
    const hub = parseHubSource(source);
    if (!hub) throw notFound(source);
    const path = await (await import("./hub.js")).obtainFromHub(hub, options);
    if (!isGguf(path)) return locateFolder(path, hub.repo, options);
    return locateGguf(path, `${hub.repo}:${hub.file ?? basename(path)}`, options);
  }
  if (found.isDirectory()) {
    const names = (await readdir(path)).filter(isGguf);
    const [only] = names;
    if (names.length === 1 && only && !existsSync(join(path, "config.json")))
      return locateGguf(join(path, only), stem(only), options);
    return locateFolder(path, basename(path), options);
  }
  if (isGguf(path)) return locateGguf(path, stem(path), options);
  if (extname(path).toLowerCase() === ".pt") return { name: stem(path), archive: path, source: undefined };
  throw new TokenlenseError("ERR_TOKENLENSE_FORMAT", `${path} is no kind of model that can be read.`, {
    hint: "Readable are .gguf files, Hugging Face folders with safetensors, and .pt archives of this package.",
  });
}

const stem = (path: string): string => basename(path, extname(path));

function locateKnown(name: string, known: KnownModel, options: HubOptions): Located {
  const source = async () => {
    if (options.download === false && !existsSync(knownPath(name, known))) {
      throw new TokenlenseError("ERR_TOKENLENSE_FILE", `${name} is not in ${modelCache()}.`, {
        hint: `Download it with \`tokenlense models pull ${name}\`.`,
      });
    }
    let path = await obtain(name, known, options);
    if ((await sha256(path, options)) !== known.sha256) {
      await rm(path, { force: true });
      path = await obtain(name, known, options);
    }
    return ggufSource(name, path, known.sha256, options.dtype);
  };
  return { name, archive: archivePath(name, known.sha256, options.dtype), source };
}

async function locateGguf(path: string, name: string, options: BuildOptions): Promise<Located> {
  // A file that was never seen is looked into before it is read as a whole: what is no model is known at once then.
  if ((await knownSha256(path)) === undefined) await (await import("./gguf.js")).readGguf(path);
  const digest = await rememberedSha256(path, options);
  const source = () => ggufSource(name, path, digest, options.dtype);
  return { name, archive: archivePath(name, digest, options.dtype), source };
}

async function locateFolder(path: string, name: string, options: BuildOptions): Promise<Located> {
  const { folderFiles, readFolder, tokenizerFromFolder } = await import("./folder.js");
  const whole = createHash("sha256");
  for (const file of await folderFiles(path))
    whole.update(`${basename(file)} ${await rememberedSha256(file, options)}\n`);
  const digest = whole.digest("hex");
  const source = async (): Promise<Source> => ({
    name,
    sha256: digest,
    dtype: options.dtype,
    checkpoint: await readFolder(path),
    tokenizer: () => tokenizerFromFolder(path),
  });
  return { name, archive: archivePath(name, digest, options.dtype), source };
}

async function ggufSource(name: string, path: string, digest: string, dtype: Dtype | undefined): Promise<Source> {
  const { readGguf } = await import("./gguf.js");
  const { tokenizerFromGguf } = await import("./tokenizer-json.js");
  const checkpoint = await readGguf(path);
  return {
    name,
    sha256: digest,
    dtype,
    checkpoint,
    tokenizer: (vocabulary) => tokenizerFromGguf(checkpoint, vocabulary),
  };
}

function notFound(source: string): TokenlenseError {
  if (source.includes("/") || source.includes(sep) || /^\.|\.(gguf|pt|safetensors)$/i.test(source)) {
    return new TokenlenseError("ERR_TOKENLENSE_FILE", `There is no ${resolve(source)}.`, {
      hint: "Give the path of a .gguf file, a model folder or a .pt archive, or owner/name of the Hugging Face hub.",
    });
  }
  const names = Object.keys(KNOWN_MODELS);
  const near = nearest(source, names);
  return new TokenlenseError("ERR_TOKENLENSE_MODEL", `No model is called "${source}", and there is no such file.`, {
    hint: `${near.length > 0 ? `Did you mean ${near.join(" or ")}?` : `Known: ${names.join(", ")}.`} A path to a .gguf file, a model folder or a .pt archive works too, and owner/name of the Hugging Face hub.`,
  });
}
