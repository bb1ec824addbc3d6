import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { TokenlenseError } from "../../src/errors.js";
import type { MetadataValue } from "../../src/models/checkpoint.js";
import { familyOf, moduleSpec } from "../../src/models/families/index.js";
import { readFolder } from "../../src/models/folder.js";
import { loadModel } from "../../src/models/model.js";
import { relativeError } from "../native/random-model.js";
import { temporaryFolder } from "../tiny-model.js";
import { FAMILY_GOLDENS, type FamilyGolden, writeFamilyFolder } from "./family-files.js";
import { lastLogits } from "./logits.js";

// Goldens by tests/goldens/settings.py: a setting is computed as transformers computes it, or the model is refused.

interface Change {
  change: Record<string, MetadataValue | null>;
  /** The first logits of the text's end; null where transformers does not load it. */
  logits: number[] | null;
}
const { text, families } = JSON.parse(readFileSync(new URL("../goldens/settings.json", import.meta.url), "utf8")) as {
  text: number;
  families: { name: string; also: Change["change"]; changes: Change[] }[];
};

const root = temporaryFolder();

/** What a module of the folder would be built from, as text; or the refusal. */
async function specOf(folder: string): Promise<string | TokenlenseError> {
  try {
    const checkpoint = await readFolder(folder);
    const spec = moduleSpec(checkpoint, familyOf(checkpoint).blueprint(checkpoint), "float32");
    return JSON.stringify(spec, (_, value) => (ArrayBuffer.isView(value) ? [...(value as Float64Array)] : value));
  } catch (error) {
    expect(error).toBeInstanceOf(TokenlenseError);
    return error as TokenlenseError;
  }
}

/** A refusal says which setting it is of, or which tensor does not go with it. */
function isClear({ code, message, hint = "" }: TokenlenseError, settings: readonly string[]): boolean {
  const named = [...settings.map((name) => `${name} = `), "partial_rotary_factor = ", ": tensor "];
  if (code === "ERR_TOKENLENSE_ARCHITECTURE")
    return named.some((name) => message.includes(name)) && hint.includes("tokenlense export");
  return /_(FORMAT|QUANTISATION)$/.test(code) && hint !== "";
}

describe.each(families)("$name", ({ name, also, changes }) => {
  const golden = FAMILY_GOLDENS.find((one) => one.name === name) as FamilyGolden;
  const ids = Int32Array.from(golden.cases.find((one) => one.ids.length === text)?.ids as number[]);

  test("every setting that is changed is computed or refused", async () => {
    const folder = writeFamilyFolder(join(root, name.replace(/\W+/g, "-")), golden);
    const known = new Map<string, number[]>();
    const wrong: string[] = [];
    for (const { change, logits } of changes) {
      const settings = { ...golden.config, ...also, ...change };
      const config = Object.entries(settings).filter(([key, value]) => value !== null || !(key in change));
      writeFileSync(join(folder, "config.json"), JSON.stringify(Object.fromEntries(config)));
      const blame = (what: string) => wrong.push(`${JSON.stringify(change)} ${what}`);
      const spec = await specOf(folder);
      if (spec instanceof TokenlenseError) {
        if (!isClear(spec, Object.keys(settings))) blame(`is refused by: ${spec.message} ${spec.hint}`);
        continue;
      }
      if (logits === null) {
        blame("is taken, and transformers refuses it");
        continue;
      }
      // What is built the same computes the same.
      let found = known.get(spec);
      if (!found) {
        using model = await loadModel(folder, { device: "cpu" });
        found = await lastLogits(model, ids);
        known.set(spec, found);
      }
      const error = relativeError(found.slice(0, logits.length), logits);
      if (!(error < 1e-5)) blame(`is off by ${error}`);
    }
    expect(wrong).toEqual([]);
    expect(known.size).toBeGreaterThan(1);
  });
});
