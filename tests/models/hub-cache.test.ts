import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it, vi } from "vitest";
import { loadModel } from "../../src/models/model.js";
import { folderFiles, hub, NAME, obtain, storage } from "./hub-case.js";
import { COMMIT } from "./hub-standin.js";
import { pythonHub } from "./python-hub.js";

const python = pythonHub();

describe("the cache is Python's", () => {
  /** Runs huggingface_hub in a process of its own; what it prints. */
  async function inPython(program: string): Promise<string> {
    const env = { ...process.env, PYTHONPATH: python.packages, HF_HUB_DISABLE_XET: "1" };
    const { stdout } = await promisify(execFile)(python.executable, ["-c", program], { env });
    return stdout.trim();
  }

  it("which finds what was downloaded here", async () => {
    const files = folderFiles(2);
    await hub({ [NAME]: { files } });
    const path = await obtain(NAME);
    const found = JSON.parse(
      await inPython(`
import json
from huggingface_hub import snapshot_download, try_to_load_from_cache, scan_cache_dir, _CACHED_NO_EXIST
name = ${JSON.stringify(NAME)}
cache = scan_cache_dir()
[repo] = cache.repos
[revision] = repo.revisions
print(json.dumps({
  "weights": try_to_load_from_cache(name, "model-1-of-2.safetensors"),
  "pinned": try_to_load_from_cache(name, "config.json", revision="${COMMIT}"),
  "none": try_to_load_from_cache(name, "chat_template.jinja") is _CACHED_NO_EXIST,
  "snapshot": snapshot_download(name, local_files_only=True),
  "repo": repo.repo_id, "commit": revision.commit_hash, "refs": sorted(revision.refs),
  "files": sorted(file.file_name for file in revision.files), "size": repo.size_on_disk,
  "warnings": [str(warning) for warning in cache.warnings],
}))`),
    );
    const names = Object.keys(files).filter((name) => !/README|onnx/.test(name));
    expect(found).toEqual({
      weights: join(path, "model-1-of-2.safetensors"),
      pinned: join(path, "config.json"),
      none: true,
      snapshot: path,
      repo: NAME,
      commit: COMMIT,
      refs: ["main"],
      files: names.toSorted(),
      size: names.reduce((sum, name) => sum + (files[name] as Buffer).length, 0),
      warnings: [],
    });
  });

  it("whose downloads are found here", async () => {
    await hub({ [NAME]: { files: folderFiles(2) } });
    const path = await inPython(
      `from huggingface_hub import snapshot_download; print(snapshot_download(${JSON.stringify(NAME)}))`,
    );
    expect(path).toBe(join(storage(), "snapshots", COMMIT));
    vi.stubEnv("HF_HUB_OFFLINE", "1");
    using model = await loadModel(NAME, { device: "cpu" });
    expect(model.contract).toMatchObject({ layers: 2, source: { name: NAME, file: COMMIT } });
  });
});
