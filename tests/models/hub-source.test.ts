import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseHubSource } from "../../src/models/hub-source.js";

describe("the name of a model on the hub", () => {
  it.each([
    ["owner/name", { repo: "owner/name", revision: "main", file: undefined }],
    ["owner/name@v1.0", { repo: "owner/name", revision: "v1.0", file: undefined }],
    ["owner/name@refs/pr/3", { repo: "owner/name", revision: "refs/pr/3", file: undefined }],
    ["owner/a.b_c-1:q8_0.gguf", { repo: "owner/a.b_c-1", revision: "main", file: "q8_0.gguf" }],
    ["owner/name@dev:deep/Q4_1.GGUF", { repo: "owner/name", revision: "dev", file: "deep/Q4_1.GGUF" }],
  ])("%s is read", (text, source) => {
    expect(parseHubSource(text)).toEqual(source);
  });

  it.each([
    "name",
    "./owner/name",
    "/owner/name",
    "../name",
    "a/b/c",
    "owner/name.gguf",
    "owner/name.pt",
    "owner/..",
    "o/n@../../x",
    "o/n@",
    "o/n:",
    "o/n:x.txt",
    "C:/models",
    "o\\n",
    "o/a--b",
  ])("%s is none", (text) => {
    expect(parseHubSource(text)).toBeUndefined();
  });

  it("is whole again when it is put together, whatever its parts", () => {
    const part = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_]{0,8}$/);
    fc.assert(
      fc.property(part, part, fc.option(part), fc.option(part), (owner, name, revision, file) => {
        const text = `${owner}/${name}${revision === null ? "" : `@${revision}`}${file === null ? "" : `:${file}.gguf`}`;
        expect(parseHubSource(text)).toEqual({
          repo: `${owner}/${name}`,
          revision: revision ?? "main",
          file: file === null ? undefined : `${file}.gguf`,
        });
      }),
    );
  });
});
