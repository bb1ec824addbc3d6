import type { Page } from "playwright-core";
import type { Attribution } from "../../src/result.js";
import { figure } from "../../src/viz/text.js";
import { example } from "../example.js";

// Scores that are all different, so that no number is right by chance.
export const score = (position: number, output: number) => 1 + ((position * 7 + output * 3) % 11) + position / 10;
export const signed = (position: number, output: number) => score(position, output) - 6;
export const words = example(["The", " capital", " of", " France"], [" is", " Paris", "."], score);

/** What the page's lists should say of a position: names and figures, the largest sizes first. */
export function expected(result: Attribution, position: number) {
  const { outputs, promptLength, tokenScores, tokens } = result;
  const rows = (entries: [position: number, score: number][]) =>
    entries
      .sort(([, a], [, b]) => Math.abs(b) - Math.abs(a))
      .slice(0, 6)
      .map(([place, value]) => `${tokens[place]?.text.replaceAll(" ", "␣")}${figure(value)}`);
  const output = position - promptLength;
  const leaned = Array.from({ length: output < 0 ? 0 : position }, (_, from) => from);
  const leaning = Array.from({ length: outputs }, (_, later) => later).filter((later) => later > output);
  return {
    leaned: rows(leaned.map((from) => [from, tokenScores[from * outputs + output] as number])),
    leaning: rows(leaning.map((later) => [promptLength + later, tokenScores[position * outputs + later] as number])),
  };
}

export async function lists(page: Page, panel = 0) {
  const read = async (title: string) => {
    const section = page
      .locator(".details")
      .nth(panel)
      .locator("section")
      .filter({ has: page.getByText(title, { exact: true }) });
    return (await section.locator("li").allTextContents()).filter(Boolean);
  };
  return { leaned: await read("Leaned on"), leaning: await read("Leaned on by") };
}

export const token = (page: Page, position: number, panel = 0) =>
  page.getByRole("listbox").nth(panel).getByRole("option").nth(position);
export const settled = (page: Page) =>
  page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))");
export const choose = async (page: Page, label: string, value: string) => {
  await page.getByLabel(label).selectOption(value);
  await settled(page);
};

/** What an expression of `one` gives for each element in the shadow tree that a selector finds. */
export const each = (page: Page, selector: string, expression: string) =>
  page.evaluate(
    `[...document.querySelector("token-lens").shadowRoot.querySelectorAll(${JSON.stringify(selector)})].map((one) => ${expression})`,
  ) as Promise<number[]>;
/** How far from the page's top each lies. */
export const tops = (page: Page, selector: string) => each(page, selector, "one.getBoundingClientRect().top + scrollY");
