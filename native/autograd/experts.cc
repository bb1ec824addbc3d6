#include "gated.h"
#include "gemm.h"
#include "rows.h"

// tokenlense::experts(x, router, gate_up, down, used, normalised, activation): a mixture of gated MLPs, y = Σ_e w_e(x) · expert_e(x) over
// the `used` experts whose share of softmax(x·routerᵀ) is largest, w being that share, divided by their sum where `normalised` is 1.
// Shazeer et al. 2017. Where `used` is 0 all are used, by a sigmoid of their own. The choice itself has no gradient.

namespace tokenlense {
namespace {

// Rows that one expert saw, [n, …]: `rows` are their places among all [batch · length].
struct Seen {
  at::Tensor rows, by_gate, by_up, output;
};

struct Mixture {
  at::Tensor weights;  // [rows, experts], zero where an expert is not used
  at::Tensor chosen;   // [rows, experts], 1 or 0
  at::Tensor soft;     // [rows, experts]: ∂w/∂logits goes by it
  bool shared_sum;     // soft sums over experts (softmax), else each by itself (sigmoid)
};

Mixture mix(const at::Tensor& logits, int64_t used, bool normalised) {
  if (used == 0) {
    const at::Tensor w = logits.sigmoid();
    return {w, at::ones_like(w), w * (1 - w), false};
  }
  const at::Tensor shares = at::softmax(logits, -1);
  const at::Tensor chosen = at::zeros_like(shares).scatter_(-1, std::get<1>(shares.topk(used, -1)), 1);
  at::Tensor weights = shares * chosen;
  if (!normalised) return {weights, chosen, shares, true};
  weights = weights / weights.sum(-1, true);
  return {weights, chosen, weights, true};
}

struct Experts {
  at::Tensor router, gate_up, down;  // [experts, width], [experts, 2·hidden, width], [experts, width, hidden]
  int64_t count() const { return router.size(0); }
};

class ExpertsBackward : public RaggedNode {
 public:
  ExpertsBackward(Experts experts, Mixture mixture, std::vector<Seen> seen, int64_t length, bool halves)
      : experts_(std::move(experts)), mixture_(std::move(mixture)), seen_(std::move(seen)), half_(halves ? 0.5 : 1) {
    length_ = length;
  }
  std::string name() const override { return "TokenlenseExpertsBackward"; }
  int64_t saved_bytes() const override {
    int64_t bytes = 3 * static_cast<int64_t>(mixture_.weights.nbytes());
    for (const auto& seen : seen_) bytes += static_cast<int64_t>(seen.by_gate.nbytes() + seen.by_up.nbytes() + seen.output.nbytes());
    return bytes;
  }

  Cotangent ragged(Cotangent g, const Cotangent*) override {
    if (!is_cpu_float(g.rows)) return RaggedNode::ragged(std::move(g), nullptr);
    std::vector<int64_t> saved;  // by packed row
    for (const auto& segment : g.layout->segments)
      for (int64_t row = segment.low; row < segment.high; ++row) saved.push_back(segment.sequence * length_ + row);
    std::vector<Pick> picks;
    std::vector<int64_t> place(mixture_.weights.size(0));
    for (const auto& seen : seen_) {
      std::fill(place.begin(), place.end(), -1);
      const int64_t* rows = seen.rows.const_data_ptr<int64_t>();
      for (int64_t i = 0; i < seen.rows.numel(); ++i) place[rows[i]] = i;
      std::vector<int64_t> packed, own;
      for (size_t i = 0; i < saved.size(); ++i)
        if (place[saved[i]] >= 0) packed.push_back(static_cast<int64_t>(i)), own.push_back(place[saved[i]]);
      picks.push_back({at::tensor(packed, at::kLong), at::tensor(own, at::kLong)});
    }
    return {back(g.rows, picks, at::tensor(saved, at::kLong)), g.layout};
  }

 protected:
  at::Tensor product(const at::Tensor& g) override {
    std::vector<Pick> picks;
    for (const auto& seen : seen_) picks.push_back({seen.rows, {}});
    return back(g.flatten(-3, -2), picks, {}).view(g.sizes());
  }

 private:
  struct Pick {
    at::Tensor of_g, of_seen;  // rows of the cotangent, and which of the expert's they are; all where undefined
  };

  static at::Tensor some(const at::Tensor& rows, const at::Tensor& which) { return which.defined() ? rows.index_select(0, which) : rows; }

  // g [..., rows, width]; `saved` says which of the rows they are.
  at::Tensor back(const at::Tensor& g, const std::vector<Pick>& picks, const at::Tensor& saved) const {
    at::Tensor dx = at::zeros_like(g);
    std::vector<at::Tensor> dw;
    for (int64_t e = 0; e < experts_.count(); ++e) {
      const auto& [of_g, of_seen] = picks[e];
      const at::Tensor part = g.index_select(-2, of_g), none = at::zeros_like(g.select(-1, 0));
      dw.push_back(at::index_add(none, -1, of_g, (part * some(seen_[e].output, of_seen)).sum(-1)));
      const at::Tensor weights = some(mixture_.weights.select(1, e).index_select(0, seen_[e].rows), of_seen) * half_;
      const at::Tensor inner = rows_times((part * weights.unsqueeze(-1)).contiguous(), experts_.down[e]);
      const at::Tensor outer = at::cat({inner * some(seen_[e].by_gate, of_seen), inner * some(seen_[e].by_up, of_seen)}, -1);
      dx = at::index_add(dx, -2, of_g, rows_times(outer, experts_.gate_up[e]));
    }
    const at::Tensor soft = some(mixture_.soft, saved), dweights = at::stack(dw, -1) * some(mixture_.chosen, saved) * half_;
    const at::Tensor dlogits = soft * (mixture_.shared_sum ? dweights - (soft * dweights).sum(-1, true) : dweights);
    return dx + rows_times(dlogits, experts_.router);
  }

  Experts experts_;
  Mixture mixture_;
  std::vector<Seen> seen_;
  double half_;  // AttnLRP: a product's relevance in equal halves
};

at::Tensor experts_autograd(const at::Tensor& x, const at::Tensor& router, const at::Tensor& gate_up, const at::Tensor& down, int64_t used,
                            int64_t normalised, c10::string_view name) {
  at::AutoDispatchBelowADInplaceOrView below;
  const Rules rules = current_rules();
  const bool records = recording(x);
  TORCH_CHECK(!records || rules != Rules::deeplift, "experts: DeepLIFT has no rule for them");
  const Activation activation = activation_of(name);
  const at::Tensor rows = x.detach().reshape({-1, x.size(-1)});
  const Mixture mixture = mix(rows_times_transposed(rows, router), used, normalised == 1);
  at::Tensor sum = at::zeros_like(rows);
  std::vector<Seen> seen;
  for (int64_t e = 0; e < router.size(0); ++e) {
    const at::Tensor own = mixture.chosen.select(1, e).nonzero().squeeze(1);
    const at::Tensor both = rows_times_transposed(rows.index_select(0, own), gate_up[e]);
    const GatedFactors inner = records ? gated_by_rules(both, activation, rules) : GatedFactors{gated(both, activation), {}, {}};
    const at::Tensor output = rows_times_transposed(inner.value, down[e]);
    sum.index_add_(0, own, output * mixture.weights.select(1, e).index_select(0, own).unsqueeze(-1));
    if (records) seen.push_back({own, inner.by_gate, inner.by_up, output});
  }
  at::Tensor y = sum.view(x.sizes());
  if (records) record<ExpertsBackward>(y, x, Experts{router, gate_up, down}, mixture, std::move(seen), x.size(-2), rules == Rules::attnlrp);
  return y;
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(tokenlense, m) {
  m.def("experts(Tensor x, Tensor router, Tensor gate_up, Tensor down, int used, int normalised, str activation) -> Tensor");
}
TORCH_LIBRARY_IMPL(tokenlense, CompositeExplicitAutograd, m) { m.impl("experts", experts_autograd); }
TORCH_LIBRARY_IMPL(tokenlense, Autograd, m) { m.impl("experts", experts_autograd); }

}  // namespace tokenlense
