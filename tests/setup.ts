import { findLibtorch } from "../src/install/libtorch.js";

/** Tests that give themselves an empty cache still use the libtorch that the install script found. */
export default function setup(): void {
  const { found } = findLibtorch();
  if (found) process.env.LIBTORCH = found.root;
}
