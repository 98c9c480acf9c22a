/** The worker in Node: files from the disk or over HTTP. */
import { readFile } from "node:fs/promises";
import { Worker } from "node:worker_threads";
import type { Build } from "./detect.js";
import { loadEngine } from "./engine.js";
import { fileSource } from "./files.node.js";
import { loadGrammar } from "./grammar.js";
import { scopePort } from "./port.node.js";
import { serve } from "./server.js";
import { httpSource } from "./source.js";
import { loadTeam, type Helper, type Joining } from "./threads.js";

serve(scopePort(), {
  loadEngine: async (build, wasmUrl) => loadEngine(build, await wasm(build, wasmUrl)),
  loadGrammar: async (url) => loadGrammar(await wasm("grammar", url)),
  loadTeam: async (build, wasmUrl, threads) => loadTeam(build, await wasm(build, wasmUrl), threads, startThread),
  source: (url) => (url.startsWith("file:") ? fileSource(url) : httpSource(url, (file, init) => fetch(file, init))),
});

async function wasm(build: Build | "grammar", wasmUrl: string | undefined) {
  const place = new URL(wasmUrl ?? `../wasm/${build}/nomul_bg.wasm`, import.meta.url);
  // Node's fetch reads no files.
  return place.protocol === "file:" ? await readFile(place) : place;
}

function startThread(joining: Joining): Helper {
  const worker = new Worker(new URL("./thread.node.js", import.meta.url));
  const joined = new Promise<void>((resolve, reject) => {
    worker.once("message", (trouble) => (trouble === null ? resolve() : reject(new Error(trouble as string))));
    worker.once("error", reject);
    worker.once("exit", (code) => reject(new Error(`a thread ended with code ${code}`)));
  });
  // It must not keep the model's worker alive.
  worker.unref();
  worker.postMessage(joining);
  return { joined, end: () => void worker.terminate() };
}
