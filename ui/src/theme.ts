import {
  Alert,
  type CSSVariablesResolver,
  createTheme,
  type MantineColorsTuple,
  Modal,
  NavLink,
  Notification,
} from "@mantine/core";
import { type Ink, inks } from "../../src/viz/scale.js";

/** Between blue and green, as the middle of the scale that scores are drawn in. White on the eighth is read well. */
const lens: MantineColorsTuple = [
  ...(["#e6fbf6", "#d3f2ea", "#a6e5d6", "#76d8c1", "#4fcdaf"] as const),
  ...(["#37c6a4", "#1fae8d", "#128a70", "#0a7561", "#03604f"] as const),
];

/** The page's ground is the drawing's (`inks` of src/viz/scale.ts). */
const dark: MantineColorsTuple = [
  ...(["#e6e9ed", "#c3cad2", "#9aa4b0", "#6b7682", "#3a434d"] as const),
  ...(["#2a313a", "#1e242b", "#14171c", "#0f1216", "#0a0c0f"] as const),
];

export const theme = createTheme({
  colors: { lens, dark },
  primaryColor: "lens",
  primaryShade: { light: 8, dark: 8 },
  fontFamily: '"Inter Variable", system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif',
  fontFamilyMonospace: '"JetBrains Mono Variable", ui-monospace, "SF Mono", Menlo, Consolas, monospace',
  headings: { fontWeight: "650" },
  defaultRadius: "md",
  respectReducedMotion: true,
  cursorType: "pointer",
  components: {
    // In their own colours these are not read well on light ground.
    Alert: Alert.extend({ styles: { title: { color: "var(--mantine-color-text)" } } }),
    Notification: Notification.extend({ styles: { description: { color: "var(--mantine-color-text)" } } }),
    // Its <header> is not the page's.
    Modal: Modal.extend({ defaultProps: { attributes: { header: { role: "presentation" } } } }),
    NavLink: NavLink.extend({ styles: { root: { borderRadius: "var(--mantine-radius-md)" } } }),
  },
});

const inked = ({ text, faint }: Ink) => ({
  "--mantine-color-text": text,
  "--mantine-color-dimmed": faint,
  "--mantine-color-placeholder": faint,
});

/** Mantine's faint text is too faint to be read well; this is the drawing's. */
export const variables: CSSVariablesResolver = () => ({
  variables: {},
  light: inked(inks.light),
  dark: inked(inks.dark),
});
