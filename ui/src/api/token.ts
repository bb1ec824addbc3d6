/** The server's token, where it asks for one: kept as long as the tab, and sent with every request. */

const KEY = "tokenlense-token";
let needed = false;
const listeners = new Set<() => void>();

const tell = () => {
  for (const listener of listeners) listener();
};

export function token(): string | undefined {
  return sessionStorage.getItem(KEY) ?? undefined;
}

export function setToken(text: string): void {
  sessionStorage.setItem(KEY, text);
  needed = false;
  tell();
}

/** The server has refused the token, or there was none. */
export function needToken(): void {
  if (needed) return;
  needed = true;
  tell();
}

export const tokenNeeded = (): boolean => needed;

export function watchToken(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
