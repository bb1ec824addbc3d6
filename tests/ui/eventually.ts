import { expect } from "vitest";
import { patience } from "./browser.js";

/** Expects of what a page comes to in a moment. */
export const eventually = <T>(read: () => T) => expect.poll(read, patience);
