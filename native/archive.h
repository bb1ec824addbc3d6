#pragma once
#include <map>

#include "pch.h"
#include "task.h"

namespace tokenlense {

/// A run of bytes in a file that fills the next rows × columns values of a buffer.
struct WeightPart {
  std::string file;
  int64_t offset;
  std::string encoding;  // quantisation.h
  int64_t rows, columns;
  int64_t unpermute_heads;  // 0: rows as they come; else GGUF's interleaved rotary order → halves
  bool transposed;          // the file holds columns × rows
};

struct WeightSpec {
  std::string name;
  std::vector<int64_t> shape;
  std::vector<WeightPart> parts;
};

struct ArchiveSpec {
  std::string output, source;
  std::map<std::string, int64_t> integers;
  std::map<std::string, double> floats;
  std::vector<WeightSpec> weights;
  std::map<std::string, std::string> files;
};

/// Compiles the family's TorchScript, decodes the weights and writes the archive.
void build_archive(const ArchiveSpec& spec, TaskContext& context);

/// Decodes one part to rows × columns float32.
void decode_part(const WeightPart& part, float* out);

}  // namespace tokenlense
