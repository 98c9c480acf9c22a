/** The worker of graphs, JSON and search in browsers. */
import { scopePort } from "../port.js";
import { loadEngine } from "./engine.js";
import { serveVectors } from "./serve.js";
import { browserStorage } from "./storage.js";

serveVectors(scopePort(), {
  loadEngine: (wasmUrl) => loadEngine(wasmUrl === undefined ? undefined : { module_or_path: wasmUrl }),
  storage: browserStorage,
});
