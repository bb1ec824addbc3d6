#pragma once
#include <cstdint>
#include <string>

namespace tokenlense {

/// How GGUF writes weights: blocks of so many values in so many bytes.
struct Encoding {
  int64_t values, bytes;
  void (*decode)(const uint8_t* block, float* out);
};

/// By GGUF's name of it. @throws QUANTISATION where it cannot be read.
const Encoding& encoding_of(const std::string& name);

}  // namespace tokenlense
