import { fileURLToPath } from "node:url";
import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

/** The drawing code takes its stylesheet as a text, as esbuild gives it in the exported page. */
const lensStyle: Plugin = {
  name: "lens-style",
  enforce: "pre",
  async resolveId(source, importer) {
    if (!source.endsWith(".css") || !importer?.includes("/src/viz/page/")) return null;
    const found = await this.resolve(source, importer, { skipSelf: true });
    return found && `${found.id}?inline`;
  },
};

const server = "http://127.0.0.1:8000";

export default defineConfig({
  root: fileURLToPath(new URL(".", import.meta.url)),
  base: "/ui/",
  plugins: [react(), lensStyle],
  build: {
    outDir: "../dist/ui",
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 700,
  },
  // While it is worked on: the page from here, all else from `tokenlense serve`.
  server: { proxy: { "^/(?!ui/)": { target: server, changeOrigin: true } } },
});
