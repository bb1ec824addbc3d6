import { TokenlenseError } from "../errors.js";

const CODES = ["ENOSPC", "EDQUOT", "EACCES", "EPERM", "EROFS", "EISDIR", "ENOTDIR", "EEXIST"];

/** An error of the file system as ERR_TOKENLENSE_DISK; undefined for any other error. */
export function diskError(error: unknown): TokenlenseError | undefined {
  const { code, syscall, message, path } = error as NodeJS.ErrnoException;
  if (code === undefined || !CODES.includes(code) || syscall === "connect") return undefined;
  return new TokenlenseError("ERR_TOKENLENSE_DISK", `cannot write ${path ?? "a file"}: ${message}`, {
    hint: "Free some space, make the folder writable, or choose another cache folder with TOKENLENSE_CACHE.",
    cause: error,
  });
}
