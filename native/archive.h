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
  double plus;              // added to each value
};

struct WeightSpec {
  std::string name;
  std::vector<int64_t> shape;
  std::vector<WeightPart> parts;
  at::ScalarType dtype = at::kFloat;
};

/// Frequencies of a rotary embedding: theta^(−2i/dimensions) / divisors[i]; its cosines and sines are multiplied by `factor`.
struct RotarySpec {
  int64_t dimensions;
  double theta;
  std::vector<double> divisors;  // none: all one
  double factor;
};

struct ArchiveSpec {
  std::string output, source;
  // Attributes of the module:
  std::map<std::string, int64_t> integers;
  std::map<std::string, double> floats;
  std::map<std::string, std::string> texts;
  std::map<std::string, std::vector<int64_t>> lists;
  /// Tables of `context` positions: rotary_cos and rotary_sin [specs, context, dimensions / 2]; empty ones where there is no spec.
  std::vector<RotarySpec> rotary;
  std::map<std::string, at::Tensor> tables;  // further buffers
  std::vector<WeightSpec> weights;
  std::map<std::string, std::string> files;
};

/// Compiles the family's TorchScript, decodes the weights and writes the archive.
void build_archive(const ArchiveSpec& spec, TaskContext& context);

/// Decodes one part to its rows × columns of `out` [rows · columns], contiguous, of whatever dtype.
void decode_part(const WeightPart& part, const at::Tensor& out);

}  // namespace tokenlense
