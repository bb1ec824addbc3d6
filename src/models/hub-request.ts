import { TokenlenseError } from "../errors.js";
import { Passing, passing, pause } from "../install/retry.js";
import { throwIfCancelled } from "../task.js";
import { refusal } from "./hub-refusal.js";
import { hubAddress, hubToken } from "./hub-settings.js";

/** How long the hub may take to begin an answer, and to end one that is a list. */
const ANSWER_MILLISECONDS = 10_000;
const LIST_MILLISECONDS = 30_000;

/** Attempts in a row, and the wait before the second, which doubles. */
const ATTEMPTS = 4;
const BACKOFF_MILLISECONDS = 500;

/** What is asked of the hub about one repository. */
export interface HubRequests {
  address: string;
  /** A request that brings a whole answer, tried again where that may help. To be given to @huggingface/hub. */
  ask: typeof fetch;
  /** One request, whose answer the caller reads. Rejects with a {@link Passing} where another may help. */
  stream: typeof fetch;
}

/**
 * Requests with the user's token. What they reject with is an error of this package: ERR_TOKENLENSE_ACCESS, _MODEL (no such
 * repository or revision), _FILE, _DOWNLOAD (not to be reached, or busy for too long), _CANCELLED.
 */
export async function hubRequests(repo: string, signal: AbortSignal | undefined): Promise<HubRequests> {
  const [address, token] = await Promise.all([hubAddress(), hubToken()]);
  const stream: typeof fetch = async (input, init) => {
    throwIfCancelled(signal);
    const headers = new Headers(init?.headers);
    headers.set("user-agent", "tokenlense-native");
    // Not to any other host; redirects to one drop it too.
    if (token && new URL(String(input)).origin === new URL(address).origin)
      headers.set("authorization", `Bearer ${token.value}`);
    const late = new AbortController();
    const expire = () => late.abort(new Error(`no answer within ${ANSWER_MILLISECONDS / 1000} s`));
    const timer = setTimeout(expire, ANSWER_MILLISECONDS);
    const signals = [init?.signal, signal, late.signal].filter((one) => one != null);
    let response: Response;
    try {
      response = await fetch(input, { ...init, headers, signal: AbortSignal.any(signals) });
    } catch (cause) {
      throw failed(cause, address, signal);
    } finally {
      clearTimeout(timer);
    }
    if (response.ok || response.status === 416) return response;
    await response.body?.cancel();
    throw passing(response) ?? (await refusal(response, { repo, address, token: token?.from, ask }));
  };
  const ask: typeof fetch = async (input, init) => {
    for (let attempt = 1; ; attempt++) {
      try {
        const response = await stream(input, { ...init, signal: AbortSignal.timeout(LIST_MILLISECONDS) });
        const body = await response.arrayBuffer().catch((cause: unknown) => {
          throw failed(cause, address, signal);
        });
        return new Response(body, { status: response.status, headers: response.headers });
      } catch (error) {
        if (!(error instanceof Passing)) throw error;
        if (attempt === ATTEMPTS || !(await pause(error, attempt, BACKOFF_MILLISECONDS, signal)))
          throw gaveUp(error, address);
      }
    }
  };
  return { address, ask, stream };
}

/** Of a file in a repository. It is plain HTTP, which every repository answers, and which ranges resume. */
export function fileAddress(address: string, repo: string, revision: string, path: string): string {
  const name = path.split("/").map(encodeURIComponent).join("/");
  return `${address}/${repo}/resolve/${encodeURIComponent(revision)}/${name}`;
}

/** What fetch rejected with. A host that is not there, as on a machine without network, is not asked again. */
function failed(cause: unknown, address: string, signal: AbortSignal | undefined): Error {
  throwIfCancelled(signal);
  const { message, cause: deeper } = cause as Error;
  const reason = deeper instanceof Error ? deeper : undefined;
  const passing = new Passing(reason ? `${message}: ${reason.message}` : message, { cause });
  const code = (reason as NodeJS.ErrnoException | undefined)?.code ?? "";
  return ["ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED"].includes(code) ? gaveUp(passing, address) : passing;
}

/** ERR_TOKENLENSE_DOWNLOAD after the last attempt. */
export function gaveUp(error: Passing, address: string): TokenlenseError {
  const busy = error.wait !== undefined;
  return new TokenlenseError(
    "ERR_TOKENLENSE_DOWNLOAD",
    busy
      ? `${address} asks to wait ${Math.ceil((error.wait ?? 0) / 1000)} s: ${error.message}.`
      : `${address} cannot be reached: ${error.message}.`,
    {
      hint: busy
        ? "Try again then: what has come is kept. With a token (HF_TOKEN) the hub allows more."
        : "Check the connection (HF_ENDPOINT names a mirror of the hub), or give a model that lies on this machine.",
      cause: error,
    },
  );
}
