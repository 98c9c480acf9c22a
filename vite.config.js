import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vite";

const root = fileURLToPath(new URL(".", import.meta.url));

/**
 * What the built page may do: run its own scripts and wasm, and fetch models from anywhere. There is no inline script,
 * no inline style and no eval. (The development server needs them, so it goes without.)
 */
const POLICY = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "worker-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self' https: http://localhost:* http://127.0.0.1:*",
  "base-uri 'none'",
  "form-action 'none'",
].join("; ");

const contentSecurityPolicy = {
  name: "content-security-policy",
  apply: "build",
  transformIndexHtml: () => [
    { tag: "meta", attrs: { "http-equiv": "Content-Security-Policy", content: POLICY }, injectTo: "head-prepend" },
  ],
};

/** The service worker, with the names of the files that it keeps. It has to lie beside the page, under one name for ever. */
const serviceWorker = {
  name: "service-worker",
  apply: "build",
  enforce: "post",
  generateBundle(_, bundle) {
    const files = Object.keys(bundle).filter((file) => file !== "index.html");
    const page = bundle["index.html"]?.source ?? "";
    const version = createHash("sha256")
      .update(JSON.stringify([files, page]))
      .digest("hex")
      .slice(0, 12);
    const source = readFileSync(`${root}web/app/service-worker.js`, "utf8")
      .replace("__FILES__", JSON.stringify(files, undefined, 2))
      .replace("__VERSION__", JSON.stringify(version));
    this.emitFile({ type: "asset", fileName: "service-worker.js", source });
  },
};

export default defineConfig({
  root,
  // Every address in the page is relative, so that it runs under any path.
  base: "./",
  publicDir: false,
  plugins: [svelte(), contentSecurityPolicy, serviceWorker],
  worker: { format: "es" },
  build: {
    outDir: "dist",
    target: "es2022",
    // Wasm stays a file, also when small.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: { watch: { ignored: ["**/target/**", "**/.cache/**", "**/dist/**"] } },
});
