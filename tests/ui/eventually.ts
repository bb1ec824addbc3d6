import { expect } from "vitest";

/** Expects of what a page comes to within the time that its own clicks have. */
export const eventually = <T>(read: () => T) => expect.poll(read, { timeout: 15_000 });
