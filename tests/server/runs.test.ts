import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { writeReport } from "../../src/bench/reporting.js";
import { reportSchema } from "../../src/bench/schema.js";
import { runList } from "../../src/server/runs/schemas.js";
import { noisyRows, report, row } from "../bench/rows.js";
import { errorCode, json, resultsFolder, server } from "./running.js";

const measured = noisyRows({ saliency: 0.5, lime: 3 });
const failed = {
  ...{ model: "tiny", method: "attention", prompt: 0, repeat: 0, status: "crashed" as const },
  error: { code: "ERR_TOKENLENSE_NATIVE", message: "The process ended." },
};

describe("runs of the benchmark", () => {
  it("are those in the results folder, the newest first", async () => {
    const folder = resultsFolder();
    const old = report([...measured, failed]);
    await writeReport(join(folder, "bench-1"), old);
    const stopped = report([row({ model: "a/b" })], { started: "2026-02-01T00:00:00.000Z", ended: null, cells: 9 });
    await writeReport(join(folder, "bench-2"), stopped);
    const running = await server({ folder });
    const list = await json(running, "/performance/runs");
    expect(runList.parse(list)).toEqual(list);
    expect(list).toEqual({
      runs: [
        expect.objectContaining({ id: "bench-2", ended: null, models: ["a/b"], cells: 9, measured: 1, failed: 0 }),
        {
          ...{ id: "bench-1", kind: "matrix", started: old.started, ended: old.ended },
          ...{ machine: expect.stringContaining("Some <CPU>"), models: ["tiny"] },
          ...{ methods: ["saliency", "lime", "attention"], cells: 19, measured: 18, failed: 1 },
        },
      ],
      ...{ unfinished: [], damaged: [] },
    });
    const whole = await json(running, "/performance/runs/bench-1");
    expect(whole).toEqual(old);
    expect(reportSchema.parse(whole)).toEqual(whole);
  });

  it("are told where their report is damaged, or not there yet; other programs' are passed over", async () => {
    const folder = resultsFolder();
    const put = async (name: string, files: Record<string, string>) => {
      await mkdir(join(folder, name));
      for (const [file, text] of Object.entries(files)) await writeFile(join(folder, name, file), text);
    };
    await put("damaged", { "report.json": "{", "journal.jsonl": "" });
    await put("begun", { "journal.jsonl": "" });
    await put("another", { "report.json": "{}" });
    const elsewhere = join(resultsFolder(), "bench");
    await writeReport(elsewhere, report(measured));
    await symlink(elsewhere, join(folder, "link"));
    await mkdir(join(folder, "inner"));
    await symlink(join(elsewhere, "report.json"), join(folder, "inner", "report.json"));
    const running = await server({ folder });
    expect(await json(running, "/performance/runs")).toEqual({
      runs: [],
      unfinished: ["begun"],
      damaged: [{ id: "damaged", code: "ERR_TOKENLENSE_FORMAT", message: expect.not.stringContaining(folder) }],
    });
    expect(await json(running, "/performance/runs/damaged", 422)).toEqual(errorCode("FORMAT"));
    for (const id of ["link", "inner", "begun", "nowhere", "..", "%2e%2e%2fbench"])
      expect([id, (await running.app.inject(`/performance/runs/${id}`)).statusCode]).toEqual([id, 404]);
  });

  it("are read again once they have changed", async () => {
    const folder = resultsFolder();
    const running = await server({ folder });
    const write = (cells: number) => writeReport(join(folder, "bench"), report(measured, { cells }));
    await write(100);
    expect(await json(running, "/performance/runs")).toMatchObject({ runs: [{ cells: 100 }] });
    await write(7);
    expect(await json(running, "/performance/runs")).toMatchObject({ runs: [{ cells: 7 }] });
  });
});
