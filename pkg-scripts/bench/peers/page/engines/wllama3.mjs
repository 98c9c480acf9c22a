// wllama 3: the server of llama.cpp, in one build with 64-bit memory for any number of threads.

import { LoggerWithoutDebug, Wllama } from "/wllama3/esm/index.js";

const WASM = "esm/wasm/wllama.wasm";

export async function open({ model, context, threads }) {
  const wllama = new Wllama({ default: `/wllama3/${WASM}` }, { logger: LoggerWithoutDebug, suppressNativeLog: true });
  // No layers on a graphics card: the comparison is of processors.
  const settings = { n_ctx: context, n_threads: threads, n_gpu_layers: 0, useCache: false };
  await wllama.loadModelFromUrl(new URL(model, location.href).href, settings);
  return {
    wasm: WASM,
    threads: wllama.getNumThreads(),
    async complete(prompt, max_tokens, onToken) {
      let timings;
      const onData = (part) => {
        // The last part has no token, but the counts.
        if (part.choices[0].text !== "") onToken(part.choices[0].text);
        timings = part.timings;
      };
      await wllama.createCompletion({ prompt, max_tokens, temperature: 0, cache_prompt: false, stream: true, onData });
      return { prompt_tokens: timings.prompt_n + timings.cache_n, cached_tokens: timings.cache_n };
    },
  };
}
