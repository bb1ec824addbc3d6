import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { type ChatMessage, renderChat } from "../../src/models/chat.js";
import { readGguf } from "../../src/models/gguf.js";
import { Tokenizer } from "../../src/models/tokenizer.js";
import { tokenizerFromGguf } from "../../src/models/tokenizer-json.js";
import { realGguf } from "./real.js";

const golden = JSON.parse(readFileSync(new URL("../goldens/tokenizer.json", import.meta.url), "utf8")) as {
  chat: { messages: ChatMessage[]; addGenerationPrompt: boolean; text: string }[];
};

let tokenizer: Tokenizer;
beforeAll(async () => {
  const files = tokenizerFromGguf(await readGguf(await realGguf()), 49_152);
  tokenizer = new Tokenizer(files.json, files.config, { ...files, vocabulary: 49_152 });
});

describe("applyChat", () => {
  test.each(golden.chat)("writes $messages as Jinja2 does", ({ messages, addGenerationPrompt, text }) => {
    expect(tokenizer.applyChat(messages, { addGenerationPrompt })).toBe(text);
  });

  test("ends with the assistant's turn where nothing is said", () => {
    expect(tokenizer.applyChat([{ role: "user", content: "Hi" }])).toMatch(/<\|im_start\|>assistant\n$/);
  });

  test("becomes special tokens", () => {
    const ids = tokenizer.encode(tokenizer.applyChat([{ role: "user", content: "Hi" }]));
    expect([...ids].filter((id) => id === 1)).toHaveLength(3);
    expect([...ids].filter((id) => id === 2)).toHaveLength(2);
  });
});

describe("renderChat", () => {
  test("gives templates what they expect", () => {
    const template =
      "{{ bos_token }}{% for m in messages %}[{{ m.role }}] {{ m.content | trim }}{{ eos_token }}{% endfor %}";
    expect(renderChat(template, [{ role: "user", content: " a " }], {}, { bos_token: "<s>", eos_token: "</s>" })).toBe(
      "<s>[user] a</s>",
    );
  });

  test("says that a model has none", () => {
    expect(() => renderChat(null, [], {}, {})).toThrow(expect.objectContaining({ code: "ERR_TOKENLENSE_CAPABILITY" }));
  });

  test("passes on what a template has against the messages", () => {
    const template = "{% if messages[0].role != 'user' %}{{ raise_exception('Begin with the user!') }}{% endif %}";
    expect(() => renderChat(template, [{ role: "system", content: "x" }], {}, {})).toThrow(
      expect.objectContaining({
        code: "ERR_TOKENLENSE_INPUT",
        message: expect.stringContaining("Begin with the user!") as string,
      }),
    );
    expect(() => renderChat("{% broken", [], {}, {})).toThrow(
      expect.objectContaining({ code: "ERR_TOKENLENSE_INPUT" }),
    );
  });
});
