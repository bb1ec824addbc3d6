import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import envPaths from "env-paths";

/**
 * Where models, libtorch and what was measured are kept: `TOKENLENSE_CACHE`, else the system's cache folder
 * (`~/.cache/tokenlense-native` on Linux). Not created by this call. Deleting it costs downloads, nothing else.
 */
export function cacheDirectory(): string {
  const chosen = process.env.TOKENLENSE_CACHE;
  return chosen ? resolve(chosen) : systemFolders().cache;
}

/** Where the user's own configuration is: the system's place for it (`~/.config/tokenlense-native` on Linux). */
export const configDirectory = (): string => systemFolders().config;

const systemFolders = () => envPaths("tokenlense-native", { suffix: "" });

/** The folder of this package's package.json, from src/ as from dist/. */
export function packageRoot(): string {
  const start = dirname(fileURLToPath(import.meta.url));
  for (let folder = start; ; folder = dirname(folder)) {
    if (existsSync(join(folder, "package.json"))) return folder;
    if (folder === dirname(folder)) throw new Error(`no package.json above ${start}`);
  }
}

/** What this package's package.json says of it. */
export function packageVersion(): string {
  const text = readFileSync(join(packageRoot(), "package.json"), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}
