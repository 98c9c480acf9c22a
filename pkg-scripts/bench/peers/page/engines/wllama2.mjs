// wllama 2: llama.cpp, in one build for one thread and one for several.

import { LoggerWithoutDebug, Wllama } from "/wllama2/esm/index.js";

const WASM = { single: "esm/single-thread/wllama.wasm", multi: "esm/multi-thread/wllama.wasm" };

/** `cache` keeps the model for the next visit, as it does unless told otherwise. */
export async function open({ model, context, threads, cache = false }) {
  const paths = {
    "single-thread/wllama.wasm": `/wllama2/${WASM.single}`,
    "multi-thread/wllama.wasm": `/wllama2/${WASM.multi}`,
  };
  const wllama = new Wllama(paths, { logger: LoggerWithoutDebug, suppressNativeLog: true });
  const settings = { n_ctx: context, n_threads: threads, useCache: cache };
  await wllama.loadModelFromUrl(new URL(model, location.href).href, settings);
  const complete = async (prompt, nPredict, onToken) => {
    const pieces = new TextDecoder();
    const onNewToken = (_token, piece) => onToken(pieces.decode(piece, { stream: true }));
    await wllama.createCompletion(prompt, { nPredict, sampling: { temp: 0 }, useCache: false, onNewToken });
    return { prompt_tokens: (await wllama.tokenize(prompt)).length, cached_tokens: 0 };
  };
  return {
    wasm: WASM[wllama.isMultithread() ? "multi" : "single"],
    threads: wllama.getNumThreads(),
    // It opens nothing but whole files.
    downloaded: Promise.resolve(),
    complete,
    chat: async (messages, tokens, onToken) => complete(await wllama.formatChat(messages, true), tokens, onToken),
  };
}
