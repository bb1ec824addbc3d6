import { cpSync, mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** A copy of an example in `folder`, as `npm install` would leave it; `packages` are names and where they lie. */
export function installedExample(
  name: string,
  folder: string,
  packages: Readonly<Record<string, string>> = {},
): string {
  const project = join(folder, name);
  cpSync(join(root, "examples", name), project, { recursive: true });
  mkdirSync(join(project, "node_modules"));
  for (const [dependency, path] of Object.entries({ "tokenlense-native": root, ...packages }))
    symlinkSync(path, join(project, "node_modules", dependency));
  return project;
}

/** Where a package of this repository lies. */
export const packageFolder = (name: string): string => join(root, "node_modules", name);
