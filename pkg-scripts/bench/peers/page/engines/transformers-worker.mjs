// The worker of transformers.mjs: a message opens the model, further ones have it write.

import { AutoModelForCausalLM, AutoTokenizer, env } from "/transformers/dist/transformers.js";

// In full: the meter starts this worker from an address that nothing is relative to.
const ROOT = new URL("/", import.meta.url).href;

// The hub is the server of this page.
env.allowLocalModels = false;
env.remoteHost = ROOT;
env.remotePathTemplate = "{model}/";
env.useBrowserCache = false;

let tokenizer, opened;

async function open({ model, dtype, threads }) {
  env.backends.onnx.wasm.wasmPaths = `${ROOT}onnxruntime/dist/`;
  env.backends.onnx.wasm.numThreads = threads;
  tokenizer = await AutoTokenizer.from_pretrained(model);
  opened = await AutoModelForCausalLM.from_pretrained(model, { device: "wasm", dtype });
  const wasm = performance.getEntriesByType("resource").find(({ name }) => name.endsWith(".wasm"));
  // Of /onnxruntime/dist/NAME.wasm the path in the package.
  return { wasm: wasm && new URL(wasm.name).pathname.split("/").slice(2).join("/"), threads };
}

async function complete({ prompt, tokens }) {
  const inputs = await tokenizer(prompt, { add_special_tokens: false });
  let isPrompt = true;
  const streamer = {
    // The prompt comes first, then token after token.
    put([ids]) {
      if (!isPrompt) postMessage({ token: tokenizer.decode(ids) });
      isPrompt = false;
    },
    end() {},
  };
  await opened.generate({ ...inputs, max_new_tokens: tokens, do_sample: false, streamer });
  return { prompt_tokens: inputs.input_ids.dims[1], cached_tokens: 0 };
}

globalThis.onmessage = async ({ data }) => {
  try {
    postMessage({ answer: data.open ? await open(data.open) : await complete(data.complete) });
  } catch (error) {
    postMessage({ error: String(error) });
  }
};
