import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { findLibtorch } from "../../src/install/libtorch.js";
import { ROOT, runNode } from "./processes.js";
import { fakeLibtorch, write } from "./temporary.js";

// The install script in a package of its own: the compiled TypeScript as it is, and instead of the C++ an addon of a few lines.

const ADDON = `
#include <node_api.h>
static napi_value info(napi_env env, napi_callback_info call) {
  (void)call;
  napi_value object, text;
  napi_create_object(env, &object);
  napi_create_string_utf8(env, "TRIVIAL", NAPI_AUTO_LENGTH, &text);
  napi_set_named_property(env, object, "cpuCapability", text);
  return object;
}
NAPI_MODULE_INIT() {
  napi_value function;
  napi_create_function(env, "info", NAPI_AUTO_LENGTH, info, NULL, &function);
  napi_set_named_property(env, exports, "info", function);
  return exports;
}
`;
const CMAKE = `
cmake_minimum_required(VERSION 3.21)
project(trivial C)
add_library(tokenlense SHARED native/addon.c)
add_library(tokenlense_loader SHARED native/loader.c)
set_target_properties(tokenlense tokenlense_loader PROPERTIES PREFIX "" SUFFIX ".node")
set_target_properties(tokenlense PROPERTIES LIBRARY_OUTPUT_DIRECTORY "\${TOKENLENSE_OUTPUT}")
set_target_properties(tokenlense_loader PROPERTIES LIBRARY_OUTPUT_DIRECTORY "\${TOKENLENSE_OUTPUT}/loader")
target_include_directories(tokenlense PRIVATE \${CMAKE_JS_INC})
target_include_directories(tokenlense_loader PRIVATE \${CMAKE_JS_INC})
`;

let folder: string;
let libtorch: string;
beforeEach(() => {
  libtorch = findLibtorch().found?.root ?? "none";
  folder = mkdtempSync(join(tmpdir(), "tokenlense-test-"));
  cpSync(join(ROOT, "dist"), join(folder, "dist"), { recursive: true });
  cpSync(join(ROOT, "package.json"), join(folder, "package.json"));
  cpSync(join(ROOT, "native/loader.c"), join(folder, "native/loader.c"));
  symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"), "dir");
  write(join(folder, "native/addon.c"), ADDON);
  write(join(folder, "CMakeLists.txt"), CMAKE);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const install = (env: NodeJS.ProcessEnv = {}, ...args: string[]) => {
  const { TOKENLENSE_ADDON: _, ...rest } = process.env;
  return runNode([join(folder, "dist/install/main.js"), ...args], {
    env: { ...rest, LIBTORCH: libtorch, TOKENLENSE_CACHE: join(folder, "cache"), ...env },
  }).ended;
};
const compiledAt = () => statSync(join(folder, "build/Release/tokenlense.node")).mtimeMs;

describe("the install script", () => {
  it("compiles, and compiles nothing the second time", async () => {
    const first = await install();
    expect(first).toMatchObject({
      code: 0,
      stdout: "",
      stderr: expect.stringMatching(/compiling[\s\S]*ready: .*compiled addon, TRIVIAL/),
    });
    expect(existsSync(join(folder, "build-cmake"))).toBe(false); // an installed package keeps what it needs only
    const time = compiledAt();
    const second = await install();
    expect(second).toMatchObject({ code: 0, stderr: expect.stringMatching(/^tokenlense-native: ready: .*TRIVIAL\n$/) });
    expect(compiledAt()).toBe(time);
  });

  it("in a clone compiles what has changed, and only that", async () => {
    write(join(folder, "tsconfig.build.json"), "{}");
    await install();
    const object = join(folder, "build-cmake/CMakeFiles/tokenlense_loader.dir/native/loader.c.o");
    const loader = statSync(object).mtimeMs;
    const addon = compiledAt();
    write(join(folder, "native/addon.c"), ADDON.replace("TRIVIAL", "CHANGED"));
    expect((await install()).stderr).toContain("CHANGED");
    expect(compiledAt()).toBeGreaterThan(addon);
    expect(statSync(object).mtimeMs).toBe(loader);
  });

  it("takes a prebuild that is of these sources, and needs no compiler then", async () => {
    await install();
    const prebuilds = join(folder, "prebuilds", `${process.platform}-${process.arch}`);
    mkdirSync(dirname(prebuilds), { recursive: true });
    cpSync(join(folder, "build/Release"), prebuilds, { recursive: true });
    rmSync(join(folder, "build"), { recursive: true });
    expect(await install({ PATH: "" })).toMatchObject({
      code: 0,
      stderr: expect.stringContaining("prebuild addon, TRIVIAL"),
    });
    expect(existsSync(join(folder, "build"))).toBe(false);
    write(join(prebuilds, "tokenlense.node"), "of another machine");
    const { code, stderr } = await install();
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: expect.stringMatching(/does not load[\s\S]*compiled addon, TRIVIAL/),
    });
  });

  it("says what is missing where it cannot compile", async () => {
    const { code, stderr } = await install({
      PATH: dirname(process.execPath) === "/usr/bin" ? "" : dirname(process.execPath),
      CXX: "",
    });
    expect(code).toBe(1);
    for (const part of ["cmake (`pip install cmake`", "C++20 compiler", "ERR_TOKENLENSE_ADDON"])
      expect(stderr).toContain(part);
  });

  it("shows the end of the compiler's output and keeps all of it", async () => {
    write(join(folder, "native/addon.c"), "#error broken on purpose\n");
    const { code, stderr } = await install();
    expect(code).toBe(1);
    expect(stderr).toContain("#error broken on purpose");
    const log = stderr.match(/The whole output is in (.*)\.\n/)?.[1] as string;
    expect(readFileSync(log, "utf8")).toContain("#error broken on purpose");
    expect(existsSync(join(folder, "build/Release/sources.sha256"))).toBe(false);
  });

  it("says that a libtorch without headers will not do for compiling", async () => {
    const { code, stderr } = await install({ LIBTORCH: fakeLibtorch(join(folder, "libs")) });
    expect(code).toBe(1);
    expect(stderr).toContain("has no include/ with libtorch's headers");
  });

  it("says where libtorch was looked for when it cannot be had", async () => {
    const env = { LIBTORCH: "", PATH: "", TOKENLENSE_LIBTORCH_URL: "http://127.0.0.1:9/none.zip" };
    const { code, stderr } = await install(env);
    expect(code).toBe(1);
    for (const part of ["LIBTORCH: not set", "127.0.0.1:9", "pip: no python3", "ERR_TOKENLENSE_LIBTORCH"])
      expect(stderr).toContain(part);
  });

  it("does nothing where it is told so", async () => {
    expect(await install({ TOKENLENSE_SKIP_INSTALL: "1", PATH: "" })).toMatchObject({ code: 0, stdout: "" });
    expect(existsSync(join(folder, "build"))).toBe(false);
  });

  it("works at once twice", async () => {
    const both = await Promise.all([install(), install()]);
    for (const ended of both) expect(ended).toMatchObject({ code: 0, stderr: expect.stringContaining("TRIVIAL") });
  });
});
