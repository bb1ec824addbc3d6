/** So many side by side can still be told apart. */
export const MOST_COMPARED = 4;

/** Of the page that compares these results. */
export const compareAddress = (ids: readonly string[]): string => `/compare?${withIds(new URLSearchParams(), ids)}`;

/** A query with these ids in place of those that it has. A comma in a file's name is written so that it parts nothing. */
export function withIds(query: URLSearchParams, ids: readonly string[]): URLSearchParams {
  const changed = new URLSearchParams(query);
  if (ids.length === 0) changed.delete("ids");
  else changed.set("ids", ids.map((id) => id.replaceAll("%", "%25").replaceAll(",", "%2C")).join(","));
  return changed;
}

/** The results that the address names, each once. */
export function idsIn(query: URLSearchParams): string[] {
  const ids = (query.get("ids") ?? "").split(",").map((id) => id.replaceAll("%2C", ",").replaceAll("%25", "%"));
  return [...new Set(ids.filter((id) => id !== ""))].slice(0, MOST_COMPARED);
}
