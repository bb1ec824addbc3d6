import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { asked, failure, folderFiles, hub, LATER, NAME, obtain, server, test } from "./hub-case.js";
import { COMMIT } from "./hub-standin.js";

describe("access", () => {
  const gated = {
    status: 403,
    headers: { "x-error-code": "GatedRepo", "x-error-message": "Access to model is restricted." },
  };

  it("to a gated repository: how to get it, without a token and with one", async () => {
    await hub({ [NAME]: { files: folderFiles() } }, () => ({ ...gated, status: 401 }));
    const stranger = await failure(NAME);
    expect(stranger.code).toBe("ERR_TOKENLENSE_ACCESS");
    expect(stranger.message).toContain("is gated");
    expect(stranger.hint).toContain(`${server?.url}/${NAME}`);
    expect(stranger.hint).toContain("HF_TOKEN");
    expect(stranger.hint).toContain("hf auth login");
    vi.stubEnv("HF_TOKEN", "hf_secret");
    await hub({ [NAME]: { files: folderFiles() } }, () => gated);
    const known = await failure(NAME);
    expect(known.code).toBe("ERR_TOKENLENSE_ACCESS");
    expect(known.hint).toContain("the account whose token is in HF_TOKEN");
    expect(`${known.message} ${known.hint}`).not.toContain("hf_secret");
  });

  it("may be refused for the files where the listing is open", async () => {
    await hub({ [NAME]: { files: folderFiles() } }, ({ path }) => (path.includes("/resolve/") ? gated : undefined));
    expect((await failure(NAME)).code).toBe("ERR_TOKENLENSE_ACCESS");
  });

  it("with a token that is not accepted names where it is from", async () => {
    const headers = { "x-error-message": "Invalid credentials in Authorization header" };
    await hub({}, () => ({ status: 401, headers }));
    vi.stubEnv("HF_TOKEN", "hf_old");
    const error = await failure(NAME);
    expect(error.code).toBe("ERR_TOKENLENSE_ACCESS");
    expect(error.message).toContain("the token from HF_TOKEN");
  });

  it("that a token lacks says so", async () => {
    await hub({}, () => ({
      status: 403,
      headers: {
        "x-error-message": "Please enable access to public gated repositories in your fine-grained token settings",
      },
    }));
    vi.stubEnv("HF_TOKEN", "hf_fine_grained");
    const error = await failure(NAME);
    expect(error).toMatchObject({ code: "ERR_TOKENLENSE_ACCESS", hint: expect.stringContaining("HF_TOKEN") });
    expect(error.message).toMatch(/^The hub refuses access to .*enable access/);
  });

  it.each([
    ["HUGGINGFACE_TOKEN", () => vi.stubEnv("HUGGINGFACE_TOKEN", "hf_a")],
    ["HF_TOKEN", () => vi.stubEnv("HF_TOKEN", " hf_a\n")],
    [
      "HF_TOKEN_PATH",
      () => {
        writeFileSync(join(test.folder, "elsewhere"), "hf_a\n");
        vi.stubEnv("HF_TOKEN_PATH", join(test.folder, "elsewhere"));
      },
    ],
    [
      "the login file",
      () => {
        mkdirSync(join(test.folder, "home"));
        writeFileSync(join(test.folder, "home/token"), "hf_a");
      },
    ],
  ])("by the token of %s goes to the hub and to no other host", async (_, login) => {
    login();
    const served = await hub({ [NAME]: { files: folderFiles() } });
    await obtain(NAME);
    const own = served.requests.filter(({ path }) => !path.startsWith("/cdn"));
    expect(new Set(own.map(({ authorization }) => authorization))).toEqual(new Set(["Bearer hf_a"]));
    const others = asked(served, "/cdn");
    expect(others.length).toBeGreaterThan(0);
    expect(new Set(others.map(({ authorization }) => authorization))).toEqual(new Set([undefined]));
  });
});

describe("what is not there", () => {
  it("is a repository that nobody has, or that is hidden: with the nearest known names", async () => {
    await hub({ [NAME]: { files: folderFiles() } });
    await obtain(NAME);
    for (const token of [undefined, "hf_a"]) {
      vi.stubEnv("HF_TOKEN", token);
      const error = await failure("someone/tiny-lama");
      expect(error).toMatchObject({
        code: "ERR_TOKENLENSE_MODEL",
        hint: expect.stringContaining(`Did you mean ${NAME}?`),
      });
      expect(error.message).toContain("no model someone/tiny-lama");
    }
  });

  it("is a revision: with the nearest of its branches and tags", async () => {
    await hub({ [NAME]: { files: folderFiles(), refs: { main: COMMIT, "v1.0": LATER } } });
    expect(await failure(`${NAME}@v1`)).toMatchObject({
      code: "ERR_TOKENLENSE_MODEL",
      message: expect.stringContaining('no revision "v1"'),
      hint: expect.stringContaining("v1.0"),
    });
    expect((await failure(`${NAME}@${"0".repeat(40)}`)).hint).toContain("main, v1.0");
  });
});
