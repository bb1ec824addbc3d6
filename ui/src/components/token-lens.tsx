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
  /** What the element is to show, where this differs from what it last said. Left out: what its reader chooses. */
  state?: LensState | undefined;
  /** What its reader has chosen. */
  onChange?: ((state: LensState) => void) | undefined;
}

/** The custom element `<token-lens>`, in the page's colours. */
export function TokenLens({ results, state, onChange }: TokenLensProps) {
  const holder = useRef<LensElement>(null);
  const scheme = useComputedColorScheme("light");
  const changed = useRef(onChange);
  changed.current = onChange;
  /** What element and page agree on, as JSON. */
  const known = useRef<string | undefined>(undefined);

  useEffect(() => {
    const element = holder.current;
    if (!element) return;
    const listen = (event: Event) => {
      const { detail } = event as CustomEvent<LensState>;
      known.current = JSON.stringify(detail);
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
    if (!element || state === undefined || json === known.current) return;
    known.current = json;
    element.state = state;
  }, [state]);

  return <token-lens ref={holder} theme={scheme} plain="" />;
}

declare module "react" {
  namespace JSX {
    interface IntrinsicElements {
      "token-lens": React.DetailedHTMLProps<React.HTMLAttributes<HTMLElement>, HTMLElement> & {
        ref?: React.Ref<LensElement>;
        theme?: string;
        plain?: string;
      };
    }
  }
}
