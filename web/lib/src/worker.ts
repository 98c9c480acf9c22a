/** The worker in browsers. */
import { loadEngine } from "./engine.js";
import { scopePort } from "./port.js";
import { serve } from "./server.js";
import { httpSource } from "./source.js";

serve(scopePort(), {
  loadEngine: (build, wasmUrl) => loadEngine(build, wasmUrl === undefined ? undefined : { module_or_path: wasmUrl }),
  source: (url) => httpSource(url, (file, init) => fetch(file, init)),
});
