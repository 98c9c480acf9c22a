/** The worker in Node: files from the disk or over HTTP. */
import { readFile } from "node:fs/promises";
import { loadEngine } from "./engine.js";
import { fileSource } from "./files.node.js";
import { scopePort } from "./port.node.js";
import { serve } from "./server.js";
import { httpSource } from "./source.js";

serve(scopePort(), {
  async loadEngine(build, wasmUrl) {
    const place = new URL(wasmUrl ?? `../wasm/${build}/nomul_bg.wasm`, import.meta.url);
    // Node's fetch reads no files.
    return loadEngine(build, { module_or_path: place.protocol === "file:" ? await readFile(place) : place });
  },
  source: (url) => (url.startsWith("file:") ? fileSource(url) : httpSource(url, (file, init) => fetch(file, init))),
});
