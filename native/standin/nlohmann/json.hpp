#pragma once
// ATen/functorch/Interpreter.h includes nlohmann/json, which the torch wheel does not ship, to (de)serialise interpreters. We never do
// that; this stand-in declares just enough for the header to compile, and defines nothing.
#include <string>

namespace nlohmann {
struct json {
  json() = default;
  template <class T>
  explicit json(const T&);
  std::string dump() const;
  static json parse(const std::string&);
  template <class T>
  T get() const;
};
}  // namespace nlohmann
