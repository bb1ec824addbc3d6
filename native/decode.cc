#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <fstream>

#include "archive.h"
#include "error.h"
#include "quantisation.h"

namespace tokenlense {
namespace {

// Decodes `rows` rows of `columns` values, from row `first` on as they lie in the file; unpermute_heads as WeightPart has it, of whole
// heads.
void decode_rows(const WeightPart& part, int64_t first, int64_t rows, int64_t columns, float* out) {
  const Encoding& encoding = encoding_of(part.encoding);
  if (columns % encoding.values != 0)
    throw Error("FORMAT",
                part.file + ": rows of " + std::to_string(columns) + " values do not divide into blocks of " + part.encoding + ".");
  const int64_t row_bytes = columns / encoding.values * encoding.bytes;
  std::ifstream file(part.file, std::ios::binary);
  if (!file) throw Error("FILE", "Cannot open " + part.file + ".");
  std::vector<uint8_t> bytes(rows * row_bytes);
  const int64_t offset = part.offset + first * row_bytes;
  file.seekg(offset);
  file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  if (file.gcount() != static_cast<std::streamsize>(bytes.size()))
    throw Error(
        "FORMAT",
        part.file + " ends within a tensor: " + std::to_string(offset + static_cast<int64_t>(bytes.size())) + " bytes were expected.",
        "The file was cut short; fetch it again.");
  const int64_t head = part.unpermute_heads ? part.rows / part.unpermute_heads : 0;
  at::parallel_for(0, rows, 64, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      // Row (head, half, j) of the halves convention lies at (head, 2·j + half) in the file.
      const int64_t within = head ? row % head : 0;
      const int64_t from = head ? row - within + within % (head / 2) * 2 + within / (head / 2) : row;
      const uint8_t* block = bytes.data() + from * row_bytes;
      float* to = out + row * columns;
      for (int64_t i = 0; i < columns; i += encoding.values, block += encoding.bytes) encoding.decode(block, to + i);
      if (part.plus != 0)
        for (int64_t i = 0; i < columns; ++i) to[i] += static_cast<float>(part.plus);
    }
  });
}

// Values of a part that are decoded at once where they become another dtype: a float32 copy of the whole would be as large again or larger.
constexpr int64_t kAtOnce = 1 << 22;

void require_finite(const at::Tensor& values, const WeightPart& part) {
  if (!at::isfinite(values).all().item<bool>())
    throw Error("FORMAT", part.file + " holds weights that are not finite, or too large for the dtype asked for.",
                "The model file is damaged; fetch it again. Where dtype is float16, ask for bfloat16 or float32.");
}

}  // namespace

void decode_part(const WeightPart& part, const at::Tensor& out) {
  const int64_t heads = part.unpermute_heads;
  if (heads != 0 && (heads < 0 || part.transposed || part.rows % (2 * heads) != 0)) throw Error("FORMAT", "Rows do not divide into heads.");
  const at::Tensor whole = out.view({part.rows, part.columns});
  if (part.transposed) {
    const at::Tensor stored = at::empty({part.columns, part.rows}, at::kFloat);
    decode_rows(part, 0, part.columns, part.rows, stored.data_ptr<float>());
    whole.copy_(stored.t());
  } else if (out.scalar_type() == at::kFloat) {
    decode_rows(part, 0, part.rows, part.columns, out.data_ptr<float>());
  } else {
    const int64_t unit = heads ? part.rows / heads : 1, some = std::max(unit, kAtOnce / std::max<int64_t>(part.columns, 1) / unit * unit);
    for (int64_t row = 0; row < part.rows; row += some) {
      const at::Tensor values = at::empty({std::min(some, part.rows - row), part.columns}, at::kFloat);
      decode_rows(part, row, values.size(0), part.columns, values.data_ptr<float>());
      whole.narrow(0, row, values.size(0)).copy_(values);
    }
  }
  require_finite(whole, part);
}

}  // namespace tokenlense
