import { createHash } from "node:crypto";
import { existsSync, statSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";

export const COMMIT = "ab810cf68114990406fdf996510dd3d3c6adbdf5";

export interface Repository {
  files: Record<string, Buffer | string>;
  /** Commits by branch or tag. Default: main at {@link COMMIT}. */
  refs?: Record<string, string>;
}

/** How a request is answered in place of what it asks for. */
export interface Fault {
  status?: number;
  headers?: Record<string, string>;
  /** Break the connection when the client has written so many bytes of this answer to its unfinished file. */
  drop?: number;
  /** Say nothing more after so many bytes. */
  stall?: number;
  /** End properly after so many bytes, as if that were all. */
  short?: number;
  /** Send other bytes. */
  wrong?: boolean;
}

export interface Request {
  method: string;
  /** "/owner/name/resolve/<commit>/file", "/api/models/…"; without its query. */
  path: string;
  /** Of the Range header; 0 where there is none. */
  start: number;
  authorization: string | undefined;
}

export interface StandInHub {
  url: string;
  /** Of the requests so far; those of large files to the second server, to which the hub redirects, under "/cdn/…". */
  requests: Request[];
  /** To whom large files' bytes were asked for with which token. */
  close(): Promise<void>;
}

/** Large files are by their ending, as the hub's .gitattributes has it. */
const isLarge = (path: string) => /\.(safetensors|gguf|bin)$/.test(path);

export const sha256 = (content: Buffer | string) => createHash("sha256").update(content).digest("hex");
export const gitSha1 = (content: Buffer | string) =>
  createHash("sha1")
    .update(`blob ${Buffer.byteLength(content)}\0`)
    .update(content)
    .digest("hex");
/** The name of the blob in the cache. */
export const etagOf = (path: string, content: Buffer | string) => (isLarge(path) ? sha256(content) : gitSha1(content));

/**
 * A Hugging Face hub on 127.0.0.1, as far as a client of models sees it, that misbehaves as told: listings in pages, large
 * files on a second server, errors with the hub's headers. `HF_HUB_CACHE` must be set to the client's cache.
 */
export async function standInHub(
  repositories: Record<string, Repository>,
  fault: (request: Request, earlier: number) => Fault | undefined = () => undefined,
): Promise<StandInHub> {
  const requests: Request[] = [];
  let cdn = "";

  const handle = (incoming: IncomingMessage, response: ServerResponse, prefix: string) => {
    const url = new URL(incoming.url ?? "/", "http://hub");
    const request: Request = {
      method: incoming.method ?? "GET",
      path: prefix + decodeURIComponent(url.pathname),
      start: Number(incoming.headers.range?.match(/^bytes=(\d+)-/)?.[1] ?? 0),
      authorization: incoming.headers.authorization,
    };
    const earlier = requests.filter(({ path }) => path === request.path).length;
    requests.push(request);
    const wrong = fault(request, earlier);
    if (wrong?.status !== undefined) return void response.writeHead(wrong.status, wrong.headers).end("no");

    const api = /^\/api\/models\/([^/]+\/[^/]+)\/(revision|tree|refs)(?:\/([^/]+))?/.exec(request.path);
    const resolve = /^(?:\/cdn)?\/([^/]+\/[^/]+)\/resolve\/([^/]+)\/(.+)$/.exec(request.path);
    const name = api?.[1] ?? resolve?.[1] ?? "";
    const repository = repositories[name];
    const refuse = (status: number, code: string) => void response.writeHead(status, { "x-error-code": code }).end();
    // As the hub answers a stranger, who may not know whether it is there.
    if (!repository) return refuse(request.authorization ? 404 : 401, "RepoNotFound");
    const refs = repository.refs ?? { main: COMMIT };
    const json = (value: unknown, headers = {}) =>
      void response.writeHead(200, { "content-type": "application/json", ...headers }).end(JSON.stringify(value));
    if (api?.[2] === "refs") {
      const list = Object.entries(refs).map(([ref, targetCommit]) => ({ name: ref, ref, targetCommit }));
      return json({ branches: list, tags: [], converts: [] });
    }
    const revision = api?.[3] ?? resolve?.[2] ?? "";
    const commit = refs[revision] ?? Object.values(refs).find((one) => one === revision);
    if (commit === undefined) return refuse(404, "RevisionNotFound");
    if (api?.[2] === "revision")
      return json({ _id: "1", id: name, sha: commit, siblings: [], tags: [], private: false });
    const paths = Object.keys(repository.files);
    if (api) {
      const page = Number(url.searchParams.get("cursor") ?? 0);
      const entries = paths.slice(page * 3, page * 3 + 3).map((path) => {
        const content = repository.files[path] ?? "";
        const size = Buffer.byteLength(content);
        const lfs = { oid: sha256(content), size, pointerSize: 130 };
        return { type: "file", path, size, oid: gitSha1(content), ...(isLarge(path) ? { lfs } : {}) };
      });
      url.searchParams.set("cursor", String(page + 1));
      const next = `<http://${incoming.headers.host}${url.pathname}${url.search}>; rel="next"`;
      return json(entries, paths.length > page * 3 + 3 ? { link: next } : {});
    }
    const path = resolve?.[3] ?? "";
    const content = repository.files[path];
    if (content === undefined) return refuse(404, "EntryNotFound");
    const etag = etagOf(path, content);
    const about = {
      "x-repo-commit": commit,
      ...(isLarge(path)
        ? { "x-linked-etag": `"${etag}"`, "x-linked-size": Buffer.byteLength(content) }
        : { etag: `"${etag}"` }),
    };
    if (prefix === "" && isLarge(path))
      return void response.writeHead(302, { ...about, location: `${cdn}${incoming.url}` }).end();
    send(Buffer.from(content), request, response, about, wrong ?? {}, name, etag);
  };

  const hub = createServer((incoming, response) => handle(incoming, response, ""));
  const files = createServer((incoming, response) => handle(incoming, response, "/cdn"));
  const url = await listen(hub);
  cdn = await listen(files);
  return { url, requests, close: async () => void (await Promise.all([hub, files].map(end))) };
}

function send(
  content: Buffer,
  { method, start }: Request,
  response: ServerResponse,
  headers: Record<string, string | number>,
  { drop, stall, short, wrong }: Fault,
  repository: string,
  etag: string,
): void {
  if (start > 0 && start >= content.length)
    return void response.writeHead(416, { "content-range": `bytes */${content.length}` }).end();
  const rest = wrong ? Buffer.alloc(content.length - start, "wrong") : content.subarray(start);
  const whole = short === undefined ? rest : rest.subarray(0, short);
  const last = start + whole.length - 1;
  response.writeHead(start > 0 ? 206 : 200, {
    ...headers,
    "content-length": whole.length,
    ...(start > 0 ? { "content-range": `bytes ${start}-${last}/${content.length}` } : {}),
  });
  if (method === "HEAD") return void response.end();
  const some = drop ?? stall;
  if (some === undefined) return void response.end(whole);
  response.write(whole.subarray(0, some));
  if (drop === undefined) return;
  const folder = join(process.env.HF_HUB_CACHE ?? "", `models--${repository.replace("/", "--")}`, "blobs");
  const unfinished = join(folder, `${etag}.tokenlense.incomplete`);
  const watch = setInterval(() => {
    const written = existsSync(unfinished) ? statSync(unfinished).size : 0;
    if (written < start + some && !response.destroyed) return;
    clearInterval(watch);
    response.destroy();
  }, 5);
}

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function end(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
