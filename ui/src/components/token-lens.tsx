import { useComputedColorScheme } from "@mantine/core";
import { useEffect, useRef } from "react";
import "../../../src/viz/page/element.js";
import type { NativeDocument } from "../api/results.js";

/** How a result is looked at: JSON-able, whatever the element makes of it. */
export type LensState = Readonly<Record<string, unknown>>;

type LensElement = HTMLElement & { results: readonly NativeDocument[]; state?: LensState };

interface TokenLensProps {
  /** One, or several to compare. Another array draws anew. */
  results: readonly NativeDocument[];
  /** Taken when `results` are drawn; later changes come from the element, by `onChange`. */
  initialState?: LensState | undefined;
  onChange?: ((state: LensState) => void) | undefined;
}

/** The custom element `<token-lens>`, in the page's colours. */
export function TokenLens({ results, initialState, onChange }: TokenLensProps) {
  const holder = useRef<LensElement>(null);
  const scheme = useComputedColorScheme("light");
  const first = useRef(initialState);
  const changed = useRef(onChange);
  changed.current = onChange;

  useEffect(() => {
    const element = holder.current;
    if (!element) return;
    const listen = (event: Event) => changed.current?.((event as CustomEvent<LensState>).detail);
    element.addEventListener("lens-change", listen);
    return () => element.removeEventListener("lens-change", listen);
  }, []);

  useEffect(() => {
    const element = holder.current;
    if (!element) return;
    const state = element.results.length > 0 ? element.state : first.current;
    element.setAttribute("theme", scheme);
    element.results = results;
    if (state !== undefined) element.state = state;
  }, [results, scheme]);

  return <token-lens ref={holder} />;
}

declare module "react" {
  namespace JSX {
    interface IntrinsicElements {
      "token-lens": React.DetailedHTMLProps<React.HTMLAttributes<HTMLElement>, HTMLElement> & {
        ref?: React.Ref<LensElement>;
      };
    }
  }
}
