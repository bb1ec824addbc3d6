import { readFileSync } from "node:fs";
import { afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { type ChatMessage, renderChat } from "../../src/models/chat.js";
import { readGguf } from "../../src/models/gguf.js";
import { Tokenizer } from "../../src/models/tokenizer.js";
import { tokenizerFromGguf } from "../../src/models/tokenizer-json.js";
import { realGguf } from "./real.js";

const read = (name: string) => JSON.parse(readFileSync(new URL(`../goldens/${name}.json`, import.meta.url), "utf8"));
const golden = read("tokenizer") as {
  chat: { messages: ChatMessage[]; addGenerationPrompt: boolean; text: string }[];
};
const families = read("chat") as {
  now: string;
  special: Record<string, string>;
  templates: Record<string, string>;
  cases: { template: string; messages: ChatMessage[]; addGenerationPrompt: boolean; text?: string; refused?: string }[];
};

let tokenizer: Tokenizer;
beforeAll(async () => {
  const files = tokenizerFromGguf(await readGguf(await realGguf()), 49_152);
  tokenizer = new Tokenizer(files.json, files.config, { ...files, vocabulary: 49_152 });
});
afterEach(() => vi.useRealTimers());

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

  test("gives one BOS where the template writes it and the tokenizer would too", async () => {
    const checkpoint = await readGguf(await realGguf());
    const settings = new Map([...checkpoint.settings, ["tokenizer.ggml.add_bos_token", true] as const]);
    settings.set("tokenizer.chat_template", "{{ bos_token }}{{ messages[0].content }}");
    const files = tokenizerFromGguf({ ...checkpoint, settings }, 49_152);
    const other = new Tokenizer(files.json, files.config, { ...files, vocabulary: 49_152 });
    const text = other.applyChat([{ role: "user", content: "Hi" }]);
    expect(text).toBe("<|im_start|>Hi");
    expect([...other.encode(text)]).toEqual([1, ...tokenizer.encode("Hi")]);
  });
});

describe("renderChat", () => {
  test.each(Object.keys(families.templates))("does with a template like %s what transformers does", (name) => {
    vi.useFakeTimers({ now: new Date(families.now) });
    const template = families.templates[name] as string;
    const cases = families.cases.filter((one) => one.template === name);
    expect(cases.length).toBeGreaterThan(20);
    for (const { messages, addGenerationPrompt, text, refused } of cases) {
      const render = () => renderChat(template, messages, { addGenerationPrompt }, families.special);
      if (refused === undefined) expect({ messages, text: render() }).toEqual({ messages, text });
      else
        expect(render).toThrow(
          expect.objectContaining({
            code: "ERR_TOKENLENSE_INPUT",
            message: `The model's chat template does not take these messages: ${refused}`,
          }),
        );
    }
  });

  test("writes dates in English, whatever the system's language", () => {
    vi.useFakeTimers({ now: new Date(2025, 4, 3) });
    vi.spyOn(Intl, "DateTimeFormat").mockImplementation(() => {
      throw new Error("asks for the system's language");
    });
    expect(renderChat("{{ strftime_now('%d %b %Y, %A %B') }}", [], {}, {})).toBe("03 May 2025, Saturday May");
    vi.restoreAllMocks();
  });

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

  const system = { role: "system", content: "x" };
  const user = { role: "user", content: "y" };

  test("says where to put a system message that the template refuses", () => {
    const render = (messages: ChatMessage[]) => () => renderChat(families.templates.gemma2, messages, {}, {});
    expect(render([system, user])).toThrow(
      expect.objectContaining({ hint: expect.stringContaining("first user message") as string }),
    );
    // Without the system message it would be refused all the same.
    expect(render([system, user, user])).toThrow(
      expect.objectContaining({ hint: expect.stringContaining("take turns") as string }),
    );
  });

  test("passes on what a template has against the messages", () => {
    const template = "{% if messages[0].role != 'user' %}{{ raise_exception('Begin with the user!') }}{% endif %}";
    expect(() => renderChat(template, [system], {}, {})).toThrow(
      expect.objectContaining({
        code: "ERR_TOKENLENSE_INPUT",
        message: expect.stringContaining("Begin with the user!") as string,
      }),
    );
  });

  test("tells a broken template from wrong messages", () => {
    expect(() => renderChat("{% broken", [user], {}, {})).toThrow(
      expect.objectContaining({ code: "ERR_TOKENLENSE_FORMAT" }),
    );
  });
});
