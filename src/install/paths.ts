import { resolve } from "node:path";
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
