/** The libtorch this package is compiled against and loads. Its one place: CMake gets it by -D. */
export const LIBTORCH_VERSION = "2.13.0";

/** A zip that holds libtorch. */
export interface Archive {
  url: string;
  /** SHA-256 of the file, hexadecimal. */
  sha256: string;
}

const official = (file: string, sha256: string): Archive => ({
  url: `https://download.pytorch.org/whl/cpu/${encodeURIComponent(file)}`,
  sha256,
});

/**
 * PyTorch's own CPU builds, by `process.platform-process.arch`. A wheel is a zip whose `torch/lib` and `torch/include` are
 * libtorch, and unlike the bare libtorch zips there is one for every platform. Any CPython's serves: what depends on Python
 * stays in the archive. Digests as PyTorch's index has them; the first was also computed from the file.
 */
export const ARCHIVES: Readonly<Record<string, Archive>> = {
  "linux-x64": official(
    "torch-2.13.0+cpu-cp311-cp311-manylinux_2_28_x86_64.whl",
    "6746dbcbeb526eb61330b76b41ff1b4eb848951103a892eeb080dfa2b264667b",
  ),
  "linux-arm64": official(
    "torch-2.13.0+cpu-cp314-cp314-manylinux_2_28_aarch64.whl",
    "ca021f9eb2f8345c83fa03e3a04587308afb8df71bd472670b3ece00df58621c",
  ),
  "win32-x64": official(
    "torch-2.13.0+cpu-cp311-cp311-win_amd64.whl",
    "10717d8b3b67c45a4788bf7ffc0bab1ea1e5ebbedd24466be6100102d141fac1",
  ),
  "darwin-arm64": official(
    "torch-2.13.0-cp314-cp314-macosx_14_0_arm64.whl",
    "d849b390e07d8d333ce8ecaf91b273c656c598379a19c9acf1318a883f6b391c",
  ),
};
