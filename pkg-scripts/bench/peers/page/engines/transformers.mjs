// transformers.js: ONNX Runtime, on the processor.

import { AutoModelForCausalLM, AutoTokenizer, env } from "/transformers/dist/transformers.js";

env.allowRemoteModels = false;
env.allowLocalModels = true;
env.localModelPath = "/";
env.useBrowserCache = false;

export async function open({ model, file, dtype, threads }) {
  env.backends.onnx.wasm.wasmPaths = "/onnxruntime/dist/";
  env.backends.onnx.wasm.numThreads = threads;
  const tokenizer = await AutoTokenizer.from_pretrained(model);
  const settings = { device: "wasm", dtype, model_file_name: file, use_external_data_format: false };
  const opened = await AutoModelForCausalLM.from_pretrained(model, settings);
  const [engine] = performance.getEntriesByType("resource").filter(({ name }) => name.endsWith(".wasm"));
  return {
    wasm: engine && new URL(engine.name).pathname.split("/").slice(2).join("/"),
    threads,
    async complete(prompt, max_new_tokens, onToken) {
      const inputs = await tokenizer(prompt, { add_special_tokens: false });
      let isPrompt = true;
      const streamer = {
        // The prompt comes first, then token after token.
        put([ids]) {
          if (!isPrompt) onToken(tokenizer.decode(ids));
          isPrompt = false;
        },
        end() {},
      };
      await opened.generate({ ...inputs, max_new_tokens, do_sample: false, streamer });
      return { prompt_tokens: inputs.input_ids.dims[1], cached_tokens: 0 };
    },
  };
}
