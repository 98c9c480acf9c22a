import js from "@eslint/js";
import svelte from "eslint-plugin-svelte";
import globals from "globals";
import typescript from "typescript-eslint";
import svelteConfig from "./svelte.config.js";

export default typescript.config(
  {
    ignores: [
      "target/",
      "dist/",
      ".cache/",
      "test-results/",
      "web/lib/build/",
      "web/lib/wasm/",
      "web/app/wasm/",
      "tests/golden/",
    ],
  },
  js.configs.recommended,
  typescript.configs.recommended,
  svelte.configs.recommended,
  {
    languageOptions: { globals: { ...globals.node, ...globals.browser } },
    rules: {
      eqeqeq: "error",
      "no-implicit-coercion": "error",
      "@typescript-eslint/consistent-type-imports": "error",
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
    },
  },
  {
    files: ["**/*.svelte", "**/*.svelte.ts"],
    languageOptions: { parserOptions: { parser: typescript.parser, svelteConfig } },
    // What a model writes is text, never markup.
    rules: { "svelte/no-at-html-tags": "error" },
  },
  {
    // Plots take data; the engine is somebody else's business.
    files: ["bits", "budget", "stats", "why"].map((panel) => `web/app/panels/${panel}/**`),
    rules: { "no-restricted-imports": ["error", { patterns: ["nomul", "nomul/*", "**/web/lib/**"] }] },
  },
  {
    files: ["web/app/service-worker.js"],
    languageOptions: { globals: { ...globals.serviceworker, __FILES__: "readonly", __VERSION__: "readonly" } },
  },
  {
    // No console in what is shipped.
    files: ["web/lib/src/**", "web/app/**"],
    rules: { "no-console": "error" },
  },
);
