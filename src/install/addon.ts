import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve, sep } from "node:path";
import { TokenlenseError } from "../errors.js";
import { packageRoot } from "./package.js";

/** The compiled halves of the package, as files. */
export interface Addon {
  /** The main addon. */
  path: string;
  /** The small addon that opens libtorch first; always in `loader/` beside the main one. */
  loader: string;
  kind: "compiled" | "prebuild" | "TOKENLENSE_ADDON";
}

export const LOADER = join("loader", "tokenlense_loader.node");

const require = createRequire(import.meta.url);

/**
 * The addon to load: the file in `TOKENLENSE_ADDON`, else build/Release/, else the prebuild for this platform.
 * @throws ERR_TOKENLENSE_ADDON where there is none.
 */
export function findAddon(root = packageRoot()): Addon {
  const chosen = process.env.TOKENLENSE_ADDON;
  const path = chosen ? resolve(chosen) : resolveAddon(root);
  const loader = join(dirname(path), LOADER);
  for (const file of [path, loader])
    if (!existsSync(file)) throw new TokenlenseError("ERR_TOKENLENSE_ADDON", `${file} does not exist`, { hint: HINT });
  const prebuilt = path.startsWith(join(root, "prebuilds") + sep);
  return { path, loader, kind: chosen ? "TOKENLENSE_ADDON" : prebuilt ? "prebuild" : "compiled" };
}

const HINT =
  "Run `npm rebuild tokenlense-native` (in a clone: `npm install`), which compiles it and says what is missing.";

function resolveAddon(root: string): string {
  // The package has no types.
  const { resolve: find } = require("node-gyp-build") as { resolve(folder: string): string };
  try {
    return find(root);
  } catch (cause) {
    const what = `the native addon is not built for ${process.platform} ${process.arch}: neither ${join(root, "build/Release")} nor ${join(root, "prebuilds")} has one that fits`;
    throw new TokenlenseError("ERR_TOKENLENSE_ADDON", what, { hint: HINT, cause });
  }
}
