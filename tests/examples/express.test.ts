import { spawn } from "node:child_process";
import { once } from "node:events";
import { request } from "node:http";
import { createInterface } from "node:readline";
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { temporaryFolder, writeTinyModel } from "../tiny-model.js";
import { inBrowser } from "./browser.js";
import { installedExample, packageFolder } from "./project.js";

const folder = temporaryFolder();
const project = installedExample("express", folder, { express: packageFolder("express") });
const said: string[] = [];
let url: string;
let server: ReturnType<typeof start>;

const start = () =>
  spawn(process.execPath, ["server.js", writeTinyModel(folder)], {
    cwd: project,
    env: { ...process.env, PORT: "0" },
    stdio: ["ignore", "pipe", "pipe"],
  });

beforeAll(async () => {
  server = start();
  createInterface(server.stderr).on("line", (line) => said.push(line));
  const [line] = (await once(createInterface(server.stdout), "line")) as [string];
  url = line;
});
afterAll(() => {
  server.kill("SIGKILL");
});

const post = async (body: string, type = "application/json") => {
  const answer = await fetch(`${url}/attributions`, { method: "POST", headers: { "content-type": type }, body });
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
};

describe("the Express example", () => {
  it("answers a prompt with a result", async () => {
    const { status, body } = await post(JSON.stringify({ prompt: "word word", method: "input_x_gradient" }));
    expect(status).toBe(200);
    expect(body).toMatchObject({ metadata: { prompt: "word word", attribution_method: "input_x_gradient" } });
    const { association_matrix: rows } = body.data as { association_matrix: number[][] };
    expect(rows.flat().some((score) => score !== 0)).toBe(true);
  });

  it.each([
    ["an unknown method", JSON.stringify({ prompt: "a", method: "salience" }), 400, "ERR_TOKENLENSE_INPUT"],
    ["no text", JSON.stringify({ prompt: 3 }), 400, "ERR_TOKENLENSE_INPUT"],
    ["nothing", "", 400, "ERR_TOKENLENSE_INPUT"],
    ["too much", JSON.stringify({ prompt: "a ".repeat(1001) }), 400, "ERR_TOKENLENSE_INPUT"],
    ["more than the model's context", JSON.stringify({ prompt: "a ".repeat(120) }), 400, "ERR_TOKENLENSE_CONTEXT"],
    ["no JSON", "{", 400, "ERR_REQUEST"],
    ["a body that is too large", JSON.stringify({ prompt: "a".repeat(70_000) }), 413, "ERR_REQUEST"],
  ])("refuses %s by its code", async (_, sent, status, code) => {
    const answer = await post(sent);
    expect(answer).toMatchObject({ status, body: { code, message: expect.stringMatching(/./) } });
    expect(JSON.stringify(answer.body)).not.toContain("node_modules");
  });

  it("says which method was meant", async () => {
    const { body } = await post(JSON.stringify({ prompt: "a", method: "salience" }));
    expect(body.hint).toContain("saliency");
  });

  it("stops the work of a client who leaves, and goes on with the next", async () => {
    const slow = { prompt: "word ".repeat(14), method: "sequential_integrated_gradients" };
    const asking = request(`${url}/attributions`, { method: "POST", headers: { "content-type": "application/json" } });
    asking.on("error", () => {});
    asking.end(JSON.stringify(slow));
    await once(asking, "finish");
    await setTimeout(500); // under way by now, and for seconds more
    // Behind it in the model's queue, this one waits for as long as that goes on.
    const next = post(JSON.stringify({ prompt: "word" }));
    asking.destroy();
    expect((await next).status).toBe(200);
    expect(said).toContain("POST /attributions: ERR_TOKENLENSE_CANCELLED");
  });

  it("draws the result in a browser under its policy, and keeps the view in the address", async () => {
    await inBrowser(async (page) => {
      await page.goto(url);
      await page.getByLabel("Prompt").fill("word word");
      await page.getByLabel("Method").selectOption("saliency");
      await page.getByRole("button", { name: "Attribute" }).click();
      await page.locator("token-lens [role=option]").first().waitFor();
      await page.getByLabel("Scores").selectOption("raw");
      await expect.poll(() => decodeURIComponent(page.url())).toContain('"normalisation":"raw"');
      await page.reload();
      await page.getByRole("button", { name: "Attribute" }).click();
      await page.locator("token-lens [role=option]").first().waitFor();
      expect(await page.getByLabel("Scores").inputValue()).toBe("raw");
    });
  });

  it("ends when it is told to", async () => {
    server.kill("SIGTERM");
    const [code] = await once(server, "exit");
    expect(code).toBe(0);
  });
});
