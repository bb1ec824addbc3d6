import type { Model } from "../src/models/model.js";

/**
 * A model without weights: its tokenizer takes the longest piece of `vocabulary` each time, after `<s>` where `addBos`.
 * For what happens before the native engine is called.
 */
export function fakeModel(vocabulary: readonly string[], options: { addBos?: boolean; context?: number } = {}): Model {
  const { addBos = false, context = 64 } = options;
  const pieces = ["<s>", ...vocabulary];
  const longestFirst = pieces.toSorted((a, b) => b.length - a.length);
  const encode = (text: string, { begins = true } = {}) => {
    const ids = addBos && begins && !text.startsWith("<s>") ? [0] : [];
    for (let at = 0; at < text.length; ) {
      const piece = longestFirst.find((candidate) => text.startsWith(candidate, at));
      if (piece) ids.push(pieces.indexOf(piece));
      at += piece?.length ?? 1;
    }
    return Int32Array.from(ids);
  };
  const decode = (ids: ArrayLike<number>) =>
    Array.from(ids, (id) => (addBos && id === 0 ? "" : (pieces[id] ?? ""))).join("");
  return {
    name: "fake",
    contract: {
      vocabulary: pieces.length,
      context,
      addBos,
      tokens: { bos: 0, eos: [] },
      methods: ["embed", "layer", "final", "logits"],
    },
    tokenizer: {
      encode,
      decode,
      applyChat: (messages: { role: string; content: string }[]) =>
        `${messages.map(({ role, content }) => `[${role}]${content}`).join("")}[assistant]`,
    },
    native: {},
  } as unknown as Model;
}
