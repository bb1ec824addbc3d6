import { once } from "node:events";
import { request } from "node:http";
import { connect } from "node:net";
import { basename, join } from "node:path";
import { describe, expect, it } from "vitest";
import { serve } from "../../src/server/server.js";
import { save } from "../../src/storage/results.js";
import { example } from "../example.js";
import { ask, errorCode, json, resultsFolder, server } from "./running.js";

const token = "a-token-of-some-length";

describe("who may ask", () => {
  it.each(["0.0.0.0", "::", "192.168.1.5", "128.0.0.1", "::ffff:10.0.0.1"])(
    "refuses to listen on %s without a token",
    async (host) => {
      await expect(serve({ folder: resultsFolder(), host })).rejects.toMatchObject({
        code: "ERR_TOKENLENSE_INPUT",
        hint: expect.stringContaining("TOKENLENSE_SERVE_TOKEN"),
      });
    },
  );

  it.each([
    { token: "short" },
    { token: "with a space in it, but long" },
    { host: "example.org" },
    { port: 70_000 },
    { origins: ["http://localhost:3000/path"] },
    { limits: { queue: 0 } },
    { prot: 1 },
  ])("refuses the options %j", async (options) => {
    await expect(serve({ folder: resultsFolder(), ...options })).rejects.toMatchObject({
      code: "ERR_TOKENLENSE_INPUT",
    });
  });

  it("asks everyone for the token, but for /health", async () => {
    const running = await server({ token, host: "0.0.0.0" });
    const status = async (url: string, authorization?: string) =>
      (await running.app.inject({ url, headers: { host: "example.org", ...(authorization && { authorization }) } }))
        .statusCode;
    for (const url of ["/", "/results", "/openapi.json", "/metrics", "/attributions", "/none"]) {
      expect([url, await status(url), await status(url, `Bearer ${token}x`), await status(url, token)]).toEqual([
        url,
        401,
        401,
        401,
      ]);
      expect([url, await status(url, `Bearer ${token}`)]).toEqual([url, url === "/none" ? 404 : 200]);
    }
    expect(await status("/health")).toBe(200);
    expect(await json(running, "/results", 401)).toEqual(errorCode("TOKEN"));
  });

  it("turns away on loopback what was addressed to another host", async () => {
    const running = await server();
    const status = async (host: string) =>
      (await running.app.inject({ url: "/results", headers: { host } })).statusCode;
    for (const host of ["localhost", "localhost:8000", "127.0.0.1:8000", "127.8.9.1", "[::1]:8000"])
      expect([host, await status(host)]).toEqual([host, 200]);
    for (const host of ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:8000", "10.0.0.1", "[::2]"])
      expect([host, await status(host)]).toEqual([host, 421]);
  });

  it("lets pages of other origins read only where they were named", async () => {
    const allowed = async (origins: string[]) => {
      const running = await server({ origins });
      const answer = await running.app.inject({ url: "/models/", headers: { origin: "http://localhost:3000" } });
      return answer.headers["access-control-allow-origin"];
    };
    expect(await allowed([])).toBeUndefined();
    expect(await allowed(["http://localhost:3000"])).toBe("http://localhost:3000");
    expect(await allowed(["http://localhost:4000"])).toBeUndefined();
  });
});

/** A request with a path as it stands: clients would put it right. */
function raw(url: string, path: string, method = "GET"): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { path, method }, (answer) => {
      let body = "";
      answer.setEncoding("utf8").on("data", (text: string) => {
        body += text;
      });
      answer.on("end", () => resolve({ status: answer.statusCode ?? 0, body }));
    });
    sent.on("error", reject);
    sent.end();
  });
}

it("no name leads out of the folder", async () => {
  const folder = resultsFolder();
  const outside = basename(await save(example(["secret"], [" outside"]), folder));
  await save(example(["inside"], [" x"]), join(folder, "results"));
  await using live = await serve({ folder: join(folder, "results"), port: 0, log: "silent" });
  const ups = [
    ...["..", ".", "%2e%2e", "%2e%2e%2f", "..%2f", "..%5c", "%252e%252e%252f", "%252e%252e", "..;/", "....//"],
    ...[
      "%ef%bc%8e%ef%bc%8e%ef%bc%8f",
      "%e2%80%a5%2f",
      "%c0%ae%c0%ae%c0%af",
      "%u002e%u002e/",
      "..%00/",
      "%00",
      "~",
      "*",
    ],
    ...[`${folder}/`, encodeURIComponent(`${folder}/`), "file:%2f%2f", "C:%5c", ".jobs%2f..%2f..%2f", "__proto__"],
  ];
  const paths = ups.flatMap((up) => [
    ...[`/results/${up}${outside}`, `/results/${up}/${outside}`, `/results/${up}/${outside}/scores`],
    ...[`/models/${up}/methods`, `/models/tiny-model/methods/${up}/files`, `/models/${up}/methods/${up}/files`],
    ...[
      `/attribution/${up}/saliency/0`,
      `/attribution/tiny-model/${up}/0/raw`,
      `/attribution/tiny-model/saliency/${up}`,
    ],
    ...[
      `/attribution/compare?files=${up}/${up}/0`,
      `/results/compare?id=${up}${outside}&id=${up}`,
      `/attributions/${up}`,
    ],
  ]);
  for (const path of paths) {
    const { status, body } = await raw(live.url, path);
    expect({ path, status, body }).toEqual({
      path,
      status: expect.toSatisfy((code: number) => code >= 400 && code < 500),
      body: expect.not.stringContaining("outside"),
    });
  }
  const inside = await raw(live.url, "/results");
  expect(inside.body).toContain("inside");
});

describe("what is not a request", () => {
  it("of a job: malformed, of another type, too large", async () => {
    const running = await server({ limits: { body: 1000 } });
    const post = (payload: string | Buffer, type = "application/json") =>
      running.app.inject({ method: "POST", url: "/attributions", payload, headers: { "content-type": type } });
    const bodies = [
      "{",
      "",
      "null",
      "[]",
      "5",
      '"text"',
      "{}",
      '{"prompt":}',
      "\u0000",
      '{"__proto__":{"x":1},"prompt":"x"}',
    ];
    for (const body of [...bodies, Buffer.from([0xff, 0xfe, 0x7b]), `${"[".repeat(400)}${"]".repeat(400)}`]) {
      const { statusCode, json } = await post(body);
      expect([String(body), statusCode, json()]).toEqual([String(body), 400, errorCode("INPUT")]);
    }
    expect((await post("prompt=x", "application/x-www-form-urlencoded")).statusCode).toBe(415);
    expect((await post("{}", "text/plain")).statusCode).toBe(400);
    const large = await post(JSON.stringify({ model: "m", prompt: "x".repeat(1000) }));
    expect([large.statusCode, large.json()]).toEqual([413, errorCode("INPUT")]);
  });

  it("is answered with an id that the header has too", async () => {
    const running = await server();
    const answer = await ask(running, {});
    expect(answer.json().error.requestId).toBe(answer.headers["x-request-id"]);
  });

  it.each([
    ["a head that never ends", "GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "],
    [
      "a body that never ends",
      "POST /attributions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{",
    ],
    ["nothing at all", ""],
  ])("%s: the connection is closed, and others are served meanwhile", async (_, text) => {
    await using live = await serve({
      ...{ folder: resultsFolder(), port: 0, log: "silent", limits: { request: 200, idle: 400 } },
    });
    const socket = connect(live.port, "127.0.0.1");
    socket.on("error", () => {});
    await once(socket, "connect");
    socket.write(text);
    const closed = once(socket.resume(), "close");
    expect((await fetch(`${live.url}/health`)).status).toBe(200);
    await closed;
  });

  it.each([
    "GET / HTTP/9.9\r\n\r\n",
    "\u0000\u0001\u0002\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
    `GET / HTTP/1.1\r\nX: ${"x".repeat(20_000)}\r\n\r\n`,
  ])("no HTTP (%j) is answered with 4xx and closed", async (text) => {
    await using live = await serve({ folder: resultsFolder(), port: 0, log: "silent" });
    const socket = connect(live.port, "127.0.0.1");
    socket.on("error", () => {});
    let answer = "";
    socket.setEncoding("latin1").on("data", (part: string) => {
      answer += part;
    });
    socket.write(text);
    await once(socket, "close");
    expect(answer).toMatch(/^HTTP\/1\.1 4\d\d /);
  });
});
