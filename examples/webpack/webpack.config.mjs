// Nothing has to be set for nomul: webpack finds the worker and the .wasm files by their `new URL(…, import.meta.url)`.
export default {
  mode: "production",
  entry: "./answer.mjs",
  output: { filename: "main.js", module: true, clean: true },
  experiments: { outputModule: true },
  // One engine, and it is loaded when a model is: not what webpack's limit of 244 KiB is for.
  performance: { assetFilter: (name) => !name.endsWith(".wasm") },
};
