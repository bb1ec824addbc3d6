import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { forcedIds, forcedSequence, readPrompt, requireContext } from "../src/sequence.js";
import { fakeModel } from "./fake-model.js";

const letters = ["a", "b", "c", " ", "aa", "ab", "bc", "abc", " a", "[", "]", "user", "assistant", "system"];
const model = fakeModel(letters);
const prompt = (text: string, chat = false) => readPrompt(model, { prompt: text, chat });
const code = (name: string) => expect.objectContaining({ code: `ERR_TOKENLENSE_${name}` });

describe("readPrompt", () => {
  it("takes a text or ids, and one of them", () => {
    expect([...prompt("abc a").ids]).toEqual([...model.tokenizer.encode("abc a")]);
    expect(readPrompt(model, { promptIds: Int32Array.of(1, 2), chat: false })).toMatchObject({ input: "ab" });
    expect(() => readPrompt(model, { chat: false })).toThrow(code("INPUT"));
    expect(() => readPrompt(model, { prompt: "a", promptIds: Int32Array.of(1), chat: false })).toThrow(code("INPUT"));
  });

  it("refuses an empty prompt, as text, as ids, and where the vocabulary has none of its characters", () => {
    expect(() => prompt("")).toThrow(code("PROMPT"));
    expect(() => prompt("", true)).toThrow(code("PROMPT"));
    expect(() => prompt("???")).toThrow(code("PROMPT"));
    expect(() => readPrompt(model, { promptIds: new Int32Array(), chat: false })).toThrow(code("PROMPT"));
  });

  it("refuses ids outside the vocabulary, naming the first", () => {
    const promptIds = Int32Array.of(1, letters.length + 1, -1);
    expect(() => readPrompt(model, { promptIds, chat: false })).toThrow(/15 at index 1/);
  });

  it("wraps a chat prompt, with the system message first", () => {
    expect(readPrompt(model, { prompt: "a", chat: true, system: "b" })).toMatchObject({
      given: "a",
      input: "[system]b[user]a[assistant]",
    });
    expect(() => readPrompt(model, { prompt: "a", chat: false, system: "b" })).toThrow(code("INPUT"));
    expect(() => readPrompt(model, { promptIds: Int32Array.of(1), chat: true })).toThrow(code("INPUT"));
  });
});

describe("a conversation", () => {
  const messages = ["b", "a", "c"].map((content, i) => ({ role: i % 2 === 0 ? "user" : "assistant", content }));
  const conversation = () => readPrompt(model, { messages, chat: false });

  it("goes into the chat format, and its last message is what was asked", () => {
    expect(conversation()).toMatchObject({ given: "c", input: "[user]b[assistant]a[user]c[assistant]" });
    expect(forcedSequence(model, conversation(), "c abc").target).toBe("[user]b[assistant]a[user]c[assistant] abc");
  });

  it("goes with no other prompt, and has its system message among its own", () => {
    expect(() => readPrompt(model, { messages, prompt: "a", chat: true })).toThrow(code("INPUT"));
    expect(() => readPrompt(model, { messages, promptIds: Int32Array.of(1), chat: false })).toThrow(code("INPUT"));
    expect(() => readPrompt(model, { messages, chat: true, system: "b" })).toThrow(code("INPUT"));
    expect(() => readPrompt(model, { messages: [{ role: "user", content: "" }], chat: false })).toThrow(code("PROMPT"));
  });
});

describe("forcedSequence", () => {
  it("tokenises prompt and target together where the prompt's tokens stay", () => {
    const { ids } = forcedSequence(model, prompt("c"), "c abc");
    expect([...ids]).toEqual([...model.tokenizer.encode("c abc")]);
  });

  it("keeps the prompt's tokens where one would reach across the border", () => {
    const { ids } = forcedSequence(model, prompt("a"), "abc");
    expect([...ids].map((id) => letters[id - 1])).toEqual(["a", "bc"]);
  });

  it("adds no second BOS in the middle", () => {
    const withBos = fakeModel(letters, { addBos: true });
    const head = readPrompt(withBos, { prompt: "a", chat: false });
    const { ids } = forcedSequence(withBos, head, "abc");
    expect([...ids]).toEqual([0, letters.indexOf("a") + 1, letters.indexOf("bc") + 1]);
  });

  it("begins with the prompt's ids and reads as the target, whatever the texts", () => {
    const text = fc.stringMatching(/^[abc ]{1,12}$/);
    fc.assert(
      fc.property(text, text, fc.boolean(), (head, rest, addBos) => {
        const any = fakeModel(letters, { addBos });
        const given = readPrompt(any, { prompt: head, chat: false });
        const { ids, target } = forcedSequence(any, given, head + rest);
        expect([...ids.subarray(0, given.ids.length)]).toEqual([...given.ids]);
        expect(ids.length).toBeGreaterThan(given.ids.length);
        expect(any.tokenizer.decode(ids)).toBe(head + rest);
        expect(target).toBe(head + rest);
      }),
    );
  });

  it("takes the reply after the prompt as given, in chat format", () => {
    const chat = prompt("a", true);
    expect(forcedSequence(model, chat, "abc").target).toBe("[user]a[assistant]bc");
    expect(forcedSequence(model, chat, `${chat.input}bc`).target).toBe("[user]a[assistant]bc");
  });

  it("refuses a target that does not begin with the prompt, or adds nothing to it", () => {
    expect(() => forcedSequence(model, prompt("ab"), "a")).toThrow(code("TARGET"));
    expect(() => forcedSequence(model, prompt("ab"), "ab")).toThrow(code("TARGET"));
    expect(() => forcedSequence(model, prompt("ab"), "ab?")).toThrow(code("TARGET"));
  });
});

describe("forcedIds", () => {
  const head = readPrompt(model, { promptIds: Int32Array.of(1, 2), chat: false });

  it("takes a sequence that begins with the prompt's ids", () => {
    expect(forcedIds(model, head, Int32Array.of(1, 2, 3))).toMatchObject({ target: "abc" });
  });

  it("refuses any other", () => {
    expect(() => forcedIds(model, head, Int32Array.of(1, 2))).toThrow(code("TARGET"));
    expect(() => forcedIds(model, head, Int32Array.of(1))).toThrow(code("TARGET"));
    expect(() => forcedIds(model, head, Int32Array.of(2, 1, 3))).toThrow(code("TARGET"));
    expect(() => forcedIds(model, head, Int32Array.of(1, 2, 99))).toThrow(code("INPUT"));
  });
});

it("requireContext says how long the text is and how long it may be", () => {
  requireContext(model, "The prompt is", 64);
  expect(() => requireContext(model, "The prompt is", 65)).toThrow(/65 .*64/);
  expect(() => requireContext(model, "The prompt is", 65)).toThrow(code("CONTEXT"));
});
