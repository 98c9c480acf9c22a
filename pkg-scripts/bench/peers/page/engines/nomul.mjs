import { load } from "/nomul/build/index.js";

export async function open({ model, context, threads }) {
  const opened = await load(model, { contextLength: context, cache: false, threads });
  return {
    wasm: `wasm/${opened.info.build}/nomul_bg.wasm`,
    threads: opened.info.threads,
    async complete(prompt, max_tokens, onToken) {
      let usage;
      for await (const part of opened.complete({ prompt, max_tokens, temperature: 0, stream: true })) {
        const [{ tokens, text }] = part.choices;
        if (tokens.length > 0) onToken(text);
        usage = part.usage;
      }
      return { prompt_tokens: usage.prompt_tokens, cached_tokens: usage.prompt_tokens_details.cached_tokens };
    },
  };
}
