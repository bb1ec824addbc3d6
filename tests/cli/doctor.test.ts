import { expect, it } from "vitest";
import type { DoctorReport } from "../../src/install/doctor.js";
import { temporaryFolder } from "../tiny-model.js";
import { tokenlense } from "./command.js";

temporaryFolder();

// It measures matrix products, which takes as long as the machine is slow.
it("prints what was found, and which matrix product paths won", { timeout: 600_000 }, async () => {
  const { code, stdout } = await tokenlense(["doctor"]);
  expect(code).toBe(0);
  for (const words of [/^libtorch +2\.13/m, /^devices +cpu/m, /GFLOP\/s/, /: .* \d+ ←/, /^cache +/m])
    expect(stdout).toMatch(words);
  expect(stdout.trim().split("\n").at(-1)).toBe("Everything works.");
});

it("fails where something is missing, and says what and what to do", async () => {
  const env = { TOKENLENSE_ADDON: "/nowhere/addon.node" };
  const people = await tokenlense(["doctor"], { env });
  expect(people.code).toBe(1);
  expect(people.stdout).toMatch(/problem .*\/nowhere\/addon\.node.*ERR_TOKENLENSE_ADDON/);
  expect(people.stdout).not.toContain("Everything works.");

  const machines = await tokenlense(["doctor", "--json"], { env });
  expect(machines.code).toBe(1);
  const report = JSON.parse(machines.stdout) as DoctorReport;
  expect(report.libtorch.needed).toBe("2.13.0");
  expect(report.problems).toEqual([
    { code: "ERR_TOKENLENSE_ADDON", what: expect.stringContaining("/nowhere"), hint: expect.any(String) },
  ]);
});
