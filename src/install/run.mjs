// npm's install script. In a clone the package's TypeScript is compiled first; an installed package has dist/ already.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "../..");
const main = join(root, "dist/install/main.js");
const project = join(root, "tsconfig.build.json");

if (process.env.TOKENLENSE_SKIP_INSTALL) {
  console.error("tokenlense-native: TOKENLENSE_SKIP_INSTALL is set: nothing is installed");
} else {
  if (existsSync(project)) compile();
  if (existsSync(main)) await import(new URL("../../dist/install/main.js", import.meta.url).href);
  else {
    console.error(
      "tokenlense-native: dist/ is missing and TypeScript is not there to make it: run `npm install` with dev dependencies",
    );
    process.exitCode = 1;
  }
}

/** Errors in the types are for `npm run build` to report: what is emitted all the same is enough to install. */
function compile() {
  let typescript;
  try {
    typescript = dirname(createRequire(import.meta.url).resolve("typescript/package.json"));
  } catch {
    return;
  }
  spawnSync(process.execPath, [join(typescript, "bin/tsc"), "-p", project], { cwd: root, stdio: "ignore" });
}
