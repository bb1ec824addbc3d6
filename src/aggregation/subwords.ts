import type { Token } from "../result.js";
import type { Span } from "./segments.js";

/** Tells whether a token, by its form in the vocabulary, begins a word. */
type WordStart = (token: string) => boolean;

/**
 * Spans of the words that are more than one token, by the marks of the tokenizer that made them: Ġ (and ĉ, Ċ, ċ, Č, č for
 * tabs and line ends) of byte-level vocabularies, ▁ of SentencePiece, ## of WordPiece. A token of white space as such, which
 * either vocabulary may have beside, begins a word too, and so does what follows a special token or a line's end. Text in
 * which nothing marks a space, such as Chinese, has no spans.
 */
export function subwordSpans(tokens: readonly Token[]): Span[] {
  const begins = wordStart(tokens);
  if (!begins) return [];
  const spans: Span[] = [];
  let start = 0;
  for (let place = 1; place <= tokens.length; place++) {
    const [previous, token] = [tokens[place - 1], tokens[place]];
    const inWord = previous && token && !begins(token.token) && !isSpecial(token.token) && !endsWord(previous);
    if (inWord) continue;
    // A word at the very end is whole, which Inseq's get_spans leaves without its last token.
    if (place - start > 1) spans.push([start, place]);
    start = place;
  }
  return spans;
}

function wordStart(tokens: readonly Token[]): WordStart | undefined {
  const some = (pattern: RegExp) => tokens.some(({ token }) => pattern.test(token));
  // SentencePiece first: there Ġ is a letter (of Maltese), whereas bytes never make a ▁.
  if (some(/^▁/)) return (token) => /^([▁\s]|<0x(0[9A-D]|20)>$)/.test(token);
  if (some(/^Ġ/)) return (token) => /^[ĠĉĊċČč\s]/.test(token);
  // Not "##" alone, which is a heading in Markdown.
  const continuation = /^##[^#]/;
  if (some(continuation)) return (token) => !continuation.test(token);
  return undefined;
}

function endsWord({ token, text }: Token): boolean {
  return text.endsWith("\n") || isSpecial(token);
}

/** "<|im_start|>", "<s>", "</s>", "<start_of_turn>", "[CLS]", but not a byte such as "<0x0A>", nor "<" or "<=>". */
export function isSpecial(token: string): boolean {
  return /^(?:<\/?[|｜\p{L}][^<>\s]*>|\[\/?[A-Z][A-Z0-9_]*\])$/u.test(token);
}
