import { load } from "/nomul/build/index.js";

export async function open({ model, context }) {
  const opened = await load(model, { contextLength: context, cache: false });
  return {
    wasm: `wasm/${opened.info.build}/nomul_bg.wasm`,
    threads: 1,
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
