/*
 * Opens a shared library for the whole process: require() opens an addon's own libraries where the linker looks for them,
 * and libtorch lies wherever it was found. Once libtorch is open with its symbols global, the main addon's needed
 * libraries resolve by name. Plain C, no state: each thread that loads this gets its own exports.
 */
#define NODE_API_NO_EXTERNAL_BUFFERS_ALLOWED
#include <node_api.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef _WIN32
#include <windows.h>
#else
#include <dlfcn.h>
#endif

/* The file's text in UTF-8, to be freed; NULL with a pending exception. */
static char* path_argument(napi_env env, napi_callback_info info) {
  size_t count = 1, length = 0;
  napi_value argument;
  if (napi_get_cb_info(env, info, &count, &argument, NULL, NULL) != napi_ok || count < 1 ||
      napi_get_value_string_utf8(env, argument, NULL, 0, &length) != napi_ok || length == 0) {
    napi_throw_type_error(env, "ERR_TOKENLENSE_INPUT", "load(path): path must be a string, not empty");
    return NULL;
  }
  char* path = malloc(length + 1);
  if (path == NULL) {
    napi_throw_error(env, NULL, "load(path): out of memory");
    return NULL;
  }
  napi_get_value_string_utf8(env, argument, path, length + 1, &length);
  if (strlen(path) != length) {
    free(path);
    napi_throw_type_error(env, "ERR_TOKENLENSE_INPUT", "load(path): path holds a NUL character");
    return NULL;
  }
  return path;
}

#ifdef _WIN32
/* NULL on success, else what the system says, to be freed. */
static char* open_library(const char* path) {
  int length = MultiByteToWideChar(CP_UTF8, 0, path, -1, NULL, 0);
  wchar_t* wide = malloc(sizeof(wchar_t) * (size_t)length);
  if (wide == NULL) return _strdup("out of memory");
  MultiByteToWideChar(CP_UTF8, 0, path, -1, wide, length);
  /* The library's own folder is searched for its needs, not the process's working directory. */
  HMODULE module = LoadLibraryExW(wide, NULL, LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR | LOAD_LIBRARY_SEARCH_DEFAULT_DIRS);
  DWORD code = GetLastError();
  free(wide);
  if (module != NULL) return NULL;
  char* text = malloc(1024);
  if (text == NULL) return NULL;
  int used = snprintf(text, 1024, "%s: error %lu: ", path, (unsigned long)code);
  if (used < 0 || used >= 1024) used = 0;
  FormatMessageA(FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS, NULL, code, 0, text + used, (DWORD)(1024 - used), NULL);
  return text;
}
#else
static char* open_library(const char* path) {
  /* libgomp reads this once, when it is opened. By default a waiting thread spins for milliseconds: on a machine that does other
     work too, it spins in the place of the very thread it waits for (measured here: up to ten times slower). Set for good, since
     process.env of a worker thread does not reach the C library. */
  if (getenv("OMP_WAIT_POLICY") == NULL) setenv("GOMP_SPINCOUNT", "20000", 0);
  /* Never closed: the main addon and other threads keep using it. */
  if (dlopen(path, RTLD_NOW | RTLD_GLOBAL) != NULL) return NULL;
  const char* text = dlerror();
  return strdup(text != NULL ? text : "dlopen failed without a message");
}
#endif

static napi_value load(napi_env env, napi_callback_info info) {
  char* path = path_argument(env, info);
  if (path == NULL) return NULL;
  char* problem = open_library(path);
  free(path);
  if (problem != NULL) {
    napi_throw_error(env, NULL, problem);
    free(problem);
  }
  return NULL;
}

NAPI_MODULE_INIT() {
  napi_value function;
  if (napi_create_function(env, "load", NAPI_AUTO_LENGTH, load, NULL, &function) != napi_ok ||
      napi_set_named_property(env, exports, "load", function) != napi_ok)
    napi_throw_error(env, NULL, "the loader's exports could not be made");
  return exports;
}
