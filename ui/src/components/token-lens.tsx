import { useComputedColorScheme } from "@mantine/core";
import { useEffect, useRef } from "react";
import type { LensState, NativeDocument, TokenLensElement } from "../../../src/viz/page/element.js";
import "../../../src/viz/page/element.js";

interface TokenLensProps {
  /** One, or several to compare. Another array draws anew. */
  results: readonly NativeDocument[];
  /** What the element is to show, where this differs from what it last said. Left out: what its reader chooses. */
  state?: LensState | undefined;
  /** What its reader has chosen. */
  onChange?: ((state: LensState) => void) | undefined;
}

/** The custom element `<token-lens>`, in the page's colours. */
export function TokenLens({ results, state, onChange }: TokenLensProps) {
  const holder = useRef<TokenLensElement>(null);
  const scheme = useComputedColorScheme("light");
  const changed = useRef(onChange);
  changed.current = onChange;
  /** What the page last asked for, and what the element told since and the page has not come back with; as JSON. */
  const asked = useRef<string | undefined>(undefined);
  const told = useRef<string[]>([]);

  useEffect(() => {
    const element = holder.current;
    if (!element) return;
    const listen = ({ detail }: CustomEvent<LensState>) => {
      told.current.push(JSON.stringify(detail));
      changed.current?.(detail);
    };
    element.addEventListener("lens-change", listen);
    return () => element.removeEventListener("lens-change", listen);
  }, []);

  useEffect(() => {
    if (holder.current) holder.current.results = results;
  }, [results]);

  useEffect(() => {
    const element = holder.current;
    const json = JSON.stringify(state);
    if (!element || state === undefined || json === asked.current) return;
    asked.current = json;
    // An echo may be late: the element has gone on, and keeps what its reader has chosen meanwhile.
    const echo = told.current.lastIndexOf(json);
    if (echo >= 0) told.current = told.current.slice(echo + 1);
    else element.state = state;
  }, [state]);

  return <token-lens ref={holder} theme={scheme} plain="" />;
}

declare module "react" {
  namespace JSX {
    interface IntrinsicElements {
      "token-lens": React.DetailedHTMLProps<React.HTMLAttributes<TokenLensElement>, TokenLensElement> & {
        theme?: string;
        plain?: string;
      };
    }
  }
}
