import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cacheDirectory } from "./paths.js";

// Where earlier starts found a libtorch, by who was asked: the path of an interpreter, or "LIBTORCH". Looking is cheap, asking a
// Python is not. What is remembered is checked like anything else before it is used.

type Memory = Record<string, string | null>;

const file = () => join(cacheDirectory(), "libtorch.json");

function read(): Memory {
  try {
    const memory: unknown = JSON.parse(readFileSync(file(), "utf8"));
    return typeof memory === "object" && memory !== null && !Array.isArray(memory) ? (memory as Memory) : {};
  } catch {
    return {};
  }
}

/** The folder; null where there was none; undefined where nobody has asked yet. */
export function remembered(who: string): string | null | undefined {
  const value = read()[who];
  return typeof value === "string" || value === null ? value : undefined;
}

/** For the next start. A cache that cannot be written only costs the time of asking again. */
export function remember(who: string, folder: string | null): void {
  try {
    if (remembered(who) === folder) return;
    mkdirSync(cacheDirectory(), { recursive: true });
    const temporary = `${file()}.${process.pid}`;
    writeFileSync(temporary, `${JSON.stringify({ ...read(), [who]: folder }, null, 2)}\n`);
    renameSync(temporary, file());
  } catch {}
}
