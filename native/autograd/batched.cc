#include "batched.h"

#include <ATen/functorch/DynamicLayer.h>
#include <ATen/functorch/PlumbingHelper.h>

namespace tokenlense {
namespace {

namespace functorch = at::functorch;

// The layer is popped on every way out, or all later work of this thread would run batched.
class VmapLayer {
 public:
  explicit VmapLayer(int64_t size)
      : level_(functorch::initAndPushDynamicLayer(functorch::TransformType::Vmap, c10::SymInt(size), functorch::RandomnessType::Error)) {}
  ~VmapLayer() { functorch::popDynamicLayerAndDeleteMetadata(); }
  VmapLayer(const VmapLayer&) = delete;
  VmapLayer& operator=(const VmapLayer&) = delete;

  at::Tensor wrap(const at::Tensor& tensor) const { return functorch::makeBatched(tensor, 0, level_); }
  // A gradient that does not depend on the cotangent comes back unbatched.
  at::Tensor unwrap(const at::Tensor& tensor, int64_t size) const {
    auto [value, dimension] = functorch::unwrapTensorAtLevel(tensor, level_);
    if (dimension) return value.movedim(*dimension, 0).contiguous();
    auto sizes = value.sizes().vec();
    sizes.insert(sizes.begin(), size);
    return value.expand(sizes).contiguous();
  }

 private:
  int64_t level_;
};

at::Tensor vjp(const Stage& stage, const at::Tensor& cotangent) {
  return torch::autograd::grad({stage.output}, {stage.input}, {cotangent}, /*retain_graph=*/true)[0];
}

}  // namespace

at::Tensor batched_vjp(const Stage& stage, const at::Tensor& cotangents) {
  const int64_t count = cotangents.size(0);
  VmapLayer layer(count);
  return layer.unwrap(vjp(stage, layer.wrap(cotangents)), count);
}

at::Tensor looped_vjp(const Stage& stage, const at::Tensor& cotangents) {
  std::vector<at::Tensor> gradients;
  for (const at::Tensor& cotangent : cotangents.unbind(0)) gradients.push_back(vjp(stage, cotangent));
  return at::stack(gradients);
}

}  // namespace tokenlense
