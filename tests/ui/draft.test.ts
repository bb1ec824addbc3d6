import { describe, expect, it } from "vitest";
import { attributionRequest } from "../../src/server/jobs/request.js";
import {
  type Draft,
  emptyDraft,
  faultsOf,
  fromRequest,
  joined,
  message,
  toRequest,
} from "../../ui/src/pages/new/draft.js";

const draft = (changes: Partial<Draft>): Draft => ({ ...emptyDraft, model: "m", prompt: "The capital is", ...changes });
const contrastive = ["contrast_prob_diff", "kl_divergence", "pcxmi"];
const request = (given: Draft) => toRequest(given, contrastive);

describe("a draft", () => {
  it.each([
    ["The capital is", "Paris.", "The capital is Paris."],
    ["The capital is ", "Paris.", "The capital is Paris."],
    ["The capital is", " Paris.", "The capital is Paris."],
    ["Why?", "Because", "Why? Because"],
    ["Yes", ", and", "Yes, and"],
    ["line\n", "next", "line\nnext"],
    ["日本の首都は", "東京", "日本の首都は東京"],
  ])("joins %j and %j by a space where words would run together", (prompt, continuation, whole) => {
    expect(joined(prompt, continuation)).toBe(whole);
  });

  it.each([
    ["as it is at first", {}],
    ["with sampling", { temperature: 0.5, topK: 3, topP: 0.9, seed: 4, maxNewTokens: 2 }],
    ["with a given text and a contrast", { ending: "given", continuation: "Paris.", contrast: "Rome.", step: "pcxmi" }],
    ["with a contrast of its own prompt", { contrast: "Rome.", contrastPrompt: "Italy's is", step: "pcxmi" }],
    ["of a conversation", { kind: "chat", messages: [message("user", "Why?")], ending: "given", continuation: "So." }],
    ["with options", { method: "lime", options: { samples: 9 }, step: "top_p_size", stepOptions: { topP: 0.5 } }],
  ] as [string, Partial<Draft>][])("is a request that the server takes, and comes back from it: %s", (_, changes) => {
    const asked = request(draft(changes));
    expect(attributionRequest.safeParse(asked).error).toBeUndefined();
    expect(request(fromRequest(asked))).toEqual(asked);
    // As it lies in a job, with the server's defaults.
    const recorded = (given: object) => attributionRequest.parse(JSON.parse(JSON.stringify(given)));
    expect(recorded(request(fromRequest(recorded(asked))))).toEqual(recorded(asked));
  });

  it("sends a contrast only where a step function needs one, and knows the default with one", () => {
    expect(request(draft({ contrast: "Rome." }))).not.toHaveProperty("contrast");
    const asked = { model: "m", prompt: "a", contrast: "a b" };
    expect(request(fromRequest(asked))).toMatchObject({ step: { name: "contrast_prob_diff" }, contrast: "a b" });
  });

  it("tells what is missing in it", () => {
    expect(faultsOf(draft({}), [])).toEqual({});
    expect(Object.keys(faultsOf(draft({ prompt: "", model: "", ending: "given" }), []))).toEqual([
      ...["prompt", "continuation", "model"],
    ]);
    expect(faultsOf(draft({ kind: "chat", messages: [message("user")] }), [])).toHaveProperty(["messages.0.content"]);
    expect(faultsOf(draft({ stepScores: ["pcxmi"] }), ["pcxmi"])).toHaveProperty("contrast");
  });
});
