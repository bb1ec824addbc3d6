import { TokenlenseError } from "../errors.js";
import { nearest } from "../nearest.js";

export interface Refused {
  repo: string;
  address: string;
  /** Where the token is from; undefined: there is none. */
  token: string | undefined;
  ask: typeof fetch;
}

/**
 * The error for an answer of 4xx, by the codes that the hub puts in its headers: ERR_TOKENLENSE_ACCESS, _MODEL (no such
 * repository or revision), _FILE.
 */
export async function refusal(response: Response, { repo, address, token, ask }: Refused): Promise<TokenlenseError> {
  const { status, headers } = response;
  const code = headers.get("x-error-code");
  const said = headers.get("x-error-message");
  const access = (message: string, hint: string) => new TokenlenseError("ERR_TOKENLENSE_ACCESS", message, { hint });
  const getToken = `make a token at ${address}/settings/tokens and set HF_TOKEN to it, or run \`hf auth login\`.`;
  if (code === "GatedRepo") {
    return access(
      `${repo} is gated: its owners must grant you access.`,
      `Ask for it at ${address}/${repo}${token ? `, with the account whose token is in ${token}.` : `; then ${getToken}`}`,
    );
  }
  if (code === "RevisionNotFound") return missingRevision(response, repo, address, ask);
  if (code === "EntryNotFound")
    return new TokenlenseError("ERR_TOKENLENSE_FILE", `The file ${new URL(response.url).pathname} is not on the hub.`);
  if (token && status === 401 && code !== "RepoNotFound") {
    return access(
      `The hub does not accept the token from ${token}: ${said ?? "it answered 401"}`,
      `To replace it, ${getToken}`,
    );
  }
  // The hub tells strangers nothing of private repositories: 401 is its answer for those and for what is not there.
  if (code === "RepoNotFound" || status === 404 || status === 401) return missingRepository(repo, token, getToken);
  return access(
    `The hub refuses access to ${repo}: ${said ?? `it answered ${status}`}`,
    token ? `The token from ${token} may lack the right to read it.` : `If your account may read it, ${getToken}`,
  );
}

async function missingRepository(repo: string, token: string | undefined, getToken: string): Promise<TokenlenseError> {
  const [{ KNOWN_MODELS }, { cachedRepositories }] = await Promise.all([
    import("./sources.js"),
    import("./hub-cache.js"),
  ]);
  const near = nearest(repo, [...Object.keys(KNOWN_MODELS), ...(await cachedRepositories())]);
  const meant = near.length > 0 ? `Did you mean ${near.join(" or ")}? ` : "";
  const hidden = token ? `Private ones are seen with a token that may read them.` : `If it is private, ${getToken}`;
  return new TokenlenseError(
    "ERR_TOKENLENSE_MODEL",
    `The hub has no model ${repo}, or hides it, and there is no such file or folder here.`,
    { hint: `${meant}${hidden}` },
  );
}

/** The names of branches and tags are asked for, to say which is near. */
async function missingRevision(
  response: Response,
  repo: string,
  address: string,
  ask: typeof fetch,
): Promise<TokenlenseError> {
  const wanted = decodeURIComponent(/\/(?:revision|tree|resolve)\/([^/?]+)/.exec(response.url)?.[1] ?? "");
  const refs = await ask(`${address}/api/models/${repo}/refs`)
    .then((answer) => answer.json() as Promise<Partial<Record<"branches" | "tags", { name: string }[]>>>)
    .catch(() => ({ branches: [], tags: [] }));
  const names = [...(refs.branches ?? []), ...(refs.tags ?? [])].map(({ name }) => name);
  const near = nearest(wanted, names);
  return new TokenlenseError("ERR_TOKENLENSE_MODEL", `${repo} has no revision "${wanted}" on the hub.`, {
    hint:
      near.length > 0
        ? `Did you mean ${near.join(" or ")}?`
        : `It has ${names.slice(0, 10).join(", ") || "none that could be listed"}, and commits by their full hash.`,
  });
}
