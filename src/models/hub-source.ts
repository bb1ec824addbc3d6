import { extname } from "node:path";
import type { BuildOptions } from "./progress.js";

/** What of the Hugging Face hub is asked for. */
export interface HubSource {
  /** "owner/name" */
  repo: string;
  /** A branch, a tag, or a commit's hash; default "main". */
  revision: string;
  /** A GGUF file in the repository; undefined: its folder of safetensors, or its only GGUF file. */
  file: string | undefined;
}

export interface HubOptions extends BuildOptions {
  /** False: only what is in the cache. Default: true, unless `HF_HUB_OFFLINE` is set. */
  download?: boolean | undefined;
}

/** Reads "owner/name", "owner/name@revision", "owner/name:file.gguf", "owner/name@revision:file.gguf". */
export function parseHubSource(text: string): HubSource | undefined {
  const match = /^(\w[\w.-]*\/\w[\w.-]*)(?:@([^:@\s]+))?(?::(.+\.gguf))?$/i.exec(text);
  const [, repo = "", revision = "main", file] = match ?? [];
  // Rules of the hub, and of git for revisions; both also keep paths within the cache.
  if (!match || /\.\.|--/.test(repo) || !isPlainPath(revision)) return undefined;
  // A file that is not there, and no repository.
  if (file === undefined && /\.(gguf|pt|safetensors)$/i.test(repo)) return undefined;
  return { repo, revision, file };
}

/** As it was asked for, but for the file. */
export const describe = ({ repo, revision }: HubSource): string => (revision === "main" ? repo : `${repo}@${revision}`);

export const isGguf = (path: string): boolean => extname(path).toLowerCase() === ".gguf";

/** Whether a path leads nowhere but down, on any system. */
export const isPlainPath = (path: string): boolean =>
  path.split("/").every((part) => !["", ".", ".."].includes(part) && !/[\\:]/.test(part));
