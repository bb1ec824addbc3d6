import { DecoderBuffers } from "./decoder.js";
import type { Family } from "./family.js";
import { readDecoder } from "./llama.js";

/** OLMo 2 (OLMo et al. 2025, arXiv:2501.00656): norms after each part, and of all queries and all keys. */
export const olmo2: Family = {
  name: "olmo2",
  sources: ["olmo2.py"],
  gguf: "olmo2",
  folder: "Olmo2ForCausalLM",
  blueprint(checkpoint) {
    const settings = readDecoder(checkpoint, {});
    const { sizes, tied } = settings;
    const parts = [sizes.heads * sizes.headDim, sizes.kvHeads * sizes.headDim] as const;
    const plan = new DecoderBuffers(checkpoint, sizes).ends(tied).qkv().attentionOut().gatedMlp();
    plan
      .each("qk_norm", [parts[0] + parts[1]], (i) => [
        { tensor: plan.at(i, "queryNorm"), shape: [parts[0]] },
        { tensor: plan.at(i, "keyNorm"), shape: [parts[1]] },
      ])
      .vector("attention_post_norm", "attentionPostNorm")
      .vector("mlp_post_norm", "mlpPostNorm");
    return { ...settings, normedParts: [...parts], buffers: plan.list };
  },
};
