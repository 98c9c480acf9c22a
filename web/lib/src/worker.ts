/** The worker in browsers. */
import { loadEngine } from "./engine.js";
import { loadGrammar } from "./grammar.js";
import { scopePort } from "./port.js";
import { serve } from "./server.js";
import { httpSource } from "./source.js";
import { loadTeam, type Helper, type Joining } from "./threads.js";

serve(scopePort(), {
  loadEngine,
  loadGrammar,
  loadTeam: (build, place, threads) => loadTeam(build, place, threads, startThread),
  source: (url) => httpSource(url, (file, init) => fetch(file, init)),
});

function startThread(joining: Joining): Helper {
  // Written out so that bundlers find the script.
  const worker = new Worker(new URL("./thread.js", import.meta.url), { type: "module" });
  const joined = new Promise<void>((resolve, reject) => {
    worker.addEventListener("message", ({ data }) => (data === null ? resolve() : reject(new Error(data as string))));
    worker.addEventListener("error", (event) => {
      event.preventDefault();
      reject(new Error(event.message || "the script of the threads could not be loaded"));
    });
  });
  worker.postMessage(joining);
  return { joined, end: () => worker.terminate() };
}
