import { BlockList, isIPv4, isIPv6 } from "node:net";
import { z } from "zod";
import { TokenlenseError } from "../errors.js";
import { device, memoryBudget, parseOptions } from "../options.js";

/** Bounds on what clients can take of a server. */
export interface ServerLimits {
  /** Bytes of a request's body. Default 262,144. */
  body?: number | undefined;
  /** Bytes of a result's file that is sent to be stored, and of what is in it once decompressed. Default 33,554,432. */
  upload?: number | undefined;
  /** Characters of all texts of a request together: prompt, target, messages. Default 65,536. */
  prompt?: number | undefined;
  /** Jobs that wait or run, of all clients. Default 64. */
  queue?: number | undefined;
  /** Jobs that wait or run, of one client (its address). Default 8. */
  client?: number | undefined;
  /** Open connections. Default 512. */
  connections?: number | undefined;
  /** Milliseconds within which a request has to arrive whole. Default 30,000. */
  request?: number | undefined;
  /** Milliseconds without a byte read or written after which a connection is closed. Default 60,000. */
  idle?: number | undefined;
}

export interface ServeOptions {
  /** Where results are read and stored; made where there is none. Default: `results` in the working directory. */
  folder?: string | undefined;
  /** Address to listen on. Default "127.0.0.1". Beyond loopback a token is required. */
  host?: string | undefined;
  /** 0 for any that is free. Default 8000, the Analyzer's. */
  port?: number | undefined;
  /** What clients must send as `Authorization: Bearer <token>`; 16 characters or more. */
  token?: string | undefined;
  /**
   * Models that clients may name, as `loadModel` takes them, beside those known by name and the repositories in the hub's
   * cache. Paths are for who starts the server: a client can name only those that are given here.
   */
  models?: readonly string[] | undefined;
  /** What models are loaded on: as `loadModel`. Default "auto". */
  device?: string | undefined;
  /** Bytes of weights kept in memory; models that were used least recently go first. Default: half of what is free at the start. */
  modelMemory?: number | undefined;
  /** Bytes of working memory of each job. Default: half of what is free, divided by `concurrency`. */
  memoryBudget?: number | undefined;
  /** Jobs that run at a time. Default 2. */
  concurrency?: number | undefined;
  /** Origins of pages that may call from elsewhere, such as "http://localhost:3000". Default: none. */
  origins?: readonly string[] | undefined;
  /** Milliseconds that running jobs have to end when the server stops; then they are recorded for its next start. Default 10,000. */
  grace?: number | undefined;
  /** Of the log, JSON lines on stderr. Default "warn". */
  log?: "silent" | "error" | "warn" | "info" | "debug" | undefined;
  limits?: ServerLimits | undefined;
}

const count = z.int().positive();
const limits = z.strictObject({
  body: count.default(2 ** 18),
  upload: count.default(2 ** 25),
  prompt: count.default(2 ** 16),
  queue: count.default(64),
  client: count.default(8),
  connections: count.default(512),
  request: count.default(30_000),
  idle: count.default(60_000),
});

/** What each option of `serve` is held to, by name. */
export const serveOptions = {
  folder: z.string().min(1).default("results"),
  host: z
    .string()
    .refine((text) => text === "localhost" || isIPv4(text) || isIPv6(text), "expected an IP address or localhost")
    .default("127.0.0.1"),
  port: z.int().nonnegative().max(65_535).default(8000),
  token: z
    .string()
    .regex(/^[\x21-\x7e]{16,}$/, "expected 16 or more ASCII characters without spaces")
    .optional(),
  models: z.array(z.string().min(1)).default([]),
  device: device.default("auto"),
  modelMemory: memoryBudget,
  memoryBudget,
  concurrency: count.max(64).default(2),
  origins: z
    .array(z.string().refine((text) => URL.canParse(text) && new URL(text).origin === text, "expected an origin"))
    .default([]),
  grace: z.int().nonnegative().default(10_000),
  log: z.enum(["silent", "error", "warn", "info", "debug"]).default("warn"),
  limits: limits.prefault({}),
};

const schema = z.strictObject(serveOptions);
export type ServerSettings = z.output<typeof schema>;

/** @throws ERR_TOKENLENSE_INPUT for an option, or where the server would be open to others without a token. */
export function readOptions(options: ServeOptions): ServerSettings {
  const settings = parseOptions(schema, options);
  if (settings.token === undefined && !isLoopback(settings.host))
    throw new TokenlenseError("ERR_TOKENLENSE_INPUT", `Others can reach ${settings.host}: that needs a token.`, {
      hint: "Set TOKENLENSE_SERVE_TOKEN (or token) to 16 characters or more, or listen on 127.0.0.1.",
    });
  return settings;
}

const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8);
loopback.addAddress("::1", "ipv6");

export function isLoopback(host: string): boolean {
  if (host === "localhost") return true;
  return isIPv4(host) ? loopback.check(host) : isIPv6(host) && loopback.check(host, "ipv6");
}
