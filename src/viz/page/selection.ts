import type { Board } from "./board.js";

/**
 * Lets tokens be looked at (pointing, or moving by arrow keys), pinned (click, Enter) and selected as a span (dragging, or
 * Shift with a click or an arrow key). Each token names its place in `data-position`.
 */
export function selectable(box: HTMLElement, tokens: readonly HTMLElement[], board: Board, result: number): void {
  const single = (position: number) => ({ result, position, end: position + 1 });
  const placeOf = (target: Element | null | undefined) => {
    const token = target?.closest<HTMLElement>("[data-position]");
    return token && box.contains(token) ? Number(token.dataset.position) : undefined;
  };
  const placeIn = (event: Event) => placeOf(event.target as Element);
  /** Where a span began that Shift goes on with. */
  let anchor: number | undefined;
  const begin = () => anchor ?? (board.pinned?.result === result ? board.pinned.position : 0);

  const look = (event: Event) => {
    const position = placeIn(event);
    if (position !== undefined) board.hover(single(position));
  };
  box.addEventListener("pointerover", look);
  box.addEventListener("focusin", look);
  box.addEventListener("pointerleave", () => board.hover(undefined));
  box.addEventListener("focusout", () => board.hover(undefined));

  let drag: { from: number; moved: boolean } | undefined;
  box.addEventListener("pointerdown", (event) => {
    const position = placeIn(event);
    if (position !== undefined && event.button === 0 && !event.shiftKey) drag = { from: position, moved: false };
  });
  box.addEventListener("pointermove", (event) => {
    if (drag === undefined) return;
    if (event.buttons === 0) {
      drag = undefined;
      return;
    }
    const root = box.getRootNode() as ShadowRoot | Document;
    const position = placeOf(root.elementFromPoint(event.clientX, event.clientY));
    if (position === undefined || (position === drag.from && !drag.moved)) return;
    if (!drag.moved) box.setPointerCapture(event.pointerId); // the click that ends it is then of no token
    drag.moved = true;
    anchor = drag.from;
    board.select(result, drag.from, position);
  });
  for (const end of ["pointerup", "pointercancel"])
    box.addEventListener(end, () => {
      drag = undefined;
    });
  box.addEventListener("click", (event) => {
    const position = placeIn(event);
    if (position === undefined) return;
    if (event.shiftKey) board.select(result, begin(), position);
    else {
      anchor = position;
      board.pin(single(position));
    }
  });

  box.addEventListener("keydown", (event) => {
    const position = placeIn(event);
    if (position === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === "Escape") board.release();
    else if (event.key === "Enter" || event.key === " ") {
      anchor = position;
      board.pin(single(position));
    } else {
      const next = stepFrom(tokens, position, event.key);
      if (next === undefined) return;
      for (const token of tokens) token.tabIndex = -1;
      next.tabIndex = 0;
      next.focus();
      if (event.shiftKey) {
        anchor ??= position;
        board.select(result, anchor, Number(next.dataset.position));
      } else anchor = undefined;
    }
    event.preventDefault();
  });
}

function stepFrom(tokens: readonly HTMLElement[], position: number, key: string): HTMLElement | undefined {
  const inline = getComputedStyle(tokens[position]?.parentElement as Element).direction === "rtl" ? -1 : 1;
  const last = tokens.length - 1;
  const to = (place: number) => tokens[Math.min(last, Math.max(0, place))];
  switch (key) {
    case "ArrowRight":
      return to(position + inline);
    case "ArrowLeft":
      return to(position - inline);
    case "Home":
      return tokens[0];
    case "End":
      return tokens[last];
    case "ArrowUp":
    case "ArrowDown":
      return nextLine(tokens, position, key === "ArrowUp" ? -1 : 1);
    default:
      return undefined;
  }
}

/** The token of the line above or below that is nearest; the same one in the first and last line. */
function nextLine(tokens: readonly HTMLElement[], position: number, way: 1 | -1): HTMLElement | undefined {
  const box = (token: HTMLElement) => token.getClientRects()[0] ?? token.getBoundingClientRect();
  const middle = ({ left, right }: DOMRect) => (left + right) / 2;
  const from = box(tokens[position] as HTMLElement);
  let line: DOMRect | undefined;
  let best = tokens[position];
  let distance = Number.POSITIVE_INFINITY;
  for (let place = position + way; place >= 0 && place < tokens.length; place += way) {
    const token = tokens[place] as HTMLElement;
    const rect = box(token);
    const beyond = (rect.top - from.top) * way > from.height / 2;
    if (!beyond) continue;
    line ??= rect;
    if ((rect.top - line.top) * way > line.height / 2) break;
    if (Math.abs(middle(rect) - middle(from)) >= distance) continue;
    distance = Math.abs(middle(rect) - middle(from));
    best = token;
  }
  return best;
}
