import type { z } from "zod";
import type { errorSchema } from "../../../src/server/errors.js";
import { needToken, token } from "./token.js";

type ErrorBody = z.output<typeof errorSchema>["error"];

/** What the server answers in place of what was asked for, or that it cannot be reached. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  /** 0 where there was no answer. */
  readonly status: number;
  /** "ERR_TOKENLENSE_…", or "ERR_UNREACHABLE". */
  readonly code: string;
  /** What to do. */
  readonly hint: string | undefined;

  constructor(status: number, { code, message, hint }: Pick<ErrorBody, "code" | "message" | "hint">) {
    super(message);
    this.status = status;
    this.code = code;
    this.hint = hint;
  }
}

export type Query = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;

export interface RequestOptions {
  method?: "GET" | "POST" | "DELETE";
  query?: Query | undefined;
  /** Sent as JSON, but a Blob as it is. */
  body?: unknown;
  headers?: Readonly<Record<string, string>>;
  signal?: AbortSignal | undefined;
  /** Lets the request outlive the page. */
  keepalive?: boolean;
}

/** Undefined values are left out; lists are repeated, as the server takes them. */
export function address(path: string, query: Query = {}): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query))
    for (const one of [value ?? []].flat()) search.append(name, String(one));
  return search.size > 0 ? `${path}?${search}` : path;
}

/**
 * Asks the server.
 * @param path From the root, its parts percent-encoded.
 * @throws ApiError, and what fetch throws when `signal` fires.
 */
export async function request(path: string, options: RequestOptions = {}): Promise<Response> {
  const { method = "GET", query, body, headers = {}, signal = null, keepalive = false } = options;
  const bearer = token();
  let response: Response;
  try {
    response = await fetch(address(path, query), {
      ...{ method, signal, keepalive },
      headers: {
        accept: "application/json",
        ...(body !== undefined && { "content-type": "application/json" }),
        ...(bearer !== undefined && { authorization: `Bearer ${bearer}` }),
        ...headers,
      },
      ...(body !== undefined && { body: body instanceof Blob ? body : JSON.stringify(body) }),
    });
  } catch (thrown) {
    if (signal?.aborted) throw thrown;
    throw new ApiError(0, {
      code: "ERR_UNREACHABLE",
      message: "The server cannot be reached.",
      hint: "Is `tokenlense serve` still running? Start it again, then try once more.",
    });
  }
  if (response.ok) return response;
  if (response.status === 401) needToken();
  throw await errorOf(response);
}

export async function requestJson<T>(path: string, options?: RequestOptions): Promise<T> {
  return (await request(path, options)).json() as Promise<T>;
}

async function errorOf(response: Response): Promise<ApiError> {
  try {
    const { error } = (await response.json()) as { error: ErrorBody };
    return new ApiError(response.status, error);
  } catch {
    return new ApiError(response.status, {
      code: `HTTP ${response.status}`,
      message: `The server answered ${response.status} ${response.statusText}.`,
    });
  }
}
