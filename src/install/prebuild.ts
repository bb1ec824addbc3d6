import { existsSync } from "node:fs";
import { cp, mkdir, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { LOADER } from "./addon.js";
import { buildFolders, STAMP } from "./compile.js";
import { packageRoot } from "./package.js";

// `npm run build:prebuilds`: compiles for this platform and writes prebuilds/<platform>-<arch>/, which node-gyp-build finds when there is no
// build/: tokenlense.<libc>.node, and beside it the loader.

interface PrebuildifyOptions {
  cwd: string;
  name: string;
  napi: boolean;
  strip: boolean;
  tagLibc: boolean;
  targets: { runtime: string; target: string }[];
}

const require = createRequire(import.meta.url);
// A development dependency, without types.
const prebuildify = promisify(
  require("prebuildify") as (options: PrebuildifyOptions, done: (error?: Error) => void) => void,
);

const root = packageRoot();
const folder = join(root, "prebuilds", `${process.platform}-${process.arch}`);

// prebuildify has node-gyp fetch Node's headers, which nothing here uses; those that Node brought along will do.
const prefix = dirname(dirname(process.execPath));
if (existsSync(join(prefix, "include/node/node.h"))) process.env.npm_config_nodedir ??= prefix;

await rm(folder, { recursive: true, force: true });
await mkdir(folder, { recursive: true });
await prebuildify({
  cwd: root,
  name: "tokenlense",
  napi: true,
  strip: true,
  tagLibc: process.platform === "linux",
  targets: [{ runtime: "node", target: process.versions.node }],
});
// prebuildify moves the main addon; build/ would now hold half a package.
const { output } = buildFolders("release");
for (const file of [LOADER, STAMP]) await cp(join(output, file), join(folder, file));
await rm(output, { recursive: true });
