/** The worker of graphs, JSON and search in Node. */
import { readFile } from "node:fs/promises";
import { scopePort } from "../port.node.js";
import { loadEngine } from "./engine.js";
import { serveVectors } from "./serve.js";
import { fileStorage } from "./storage.node.js";

serveVectors(scopePort(), {
  async loadEngine(wasmUrl) {
    const place = new URL(wasmUrl ?? "../../wasm/vectors/nomul_bg.wasm", import.meta.url);
    // Node's fetch reads no files.
    return loadEngine({ module_or_path: place.protocol === "file:" ? await readFile(place) : place });
  },
  storage: () => fileStorage,
});
