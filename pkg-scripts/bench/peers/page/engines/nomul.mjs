import { load } from "/nomul/build/index.js";

/** `cache` keeps the model as it is kept by default; `startAtPlanes` opens it with so many levels, while others still come. */
export async function open({ model, context, threads, cache = false, startAtPlanes }) {
  const opened = await load(model, {
    contextLength: context,
    cache: cache ? undefined : false,
    threads,
    startAtPlanes,
  });
  return {
    wasm: `wasm/${opened.info.build}/nomul_bg.wasm`,
    threads: opened.info.threads,
    downloaded: opened.downloaded,
    async complete(prompt, max_tokens, onToken) {
      let usage;
      for await (const part of opened.complete({ prompt, max_tokens, temperature: 0, stream: true })) {
        const [{ tokens, text }] = part.choices;
        if (tokens.length > 0) onToken(text);
        usage = part.usage;
      }
      return { prompt_tokens: usage.prompt_tokens, cached_tokens: usage.prompt_tokens_details.cached_tokens };
    },
    async chat(messages, max_tokens, onToken) {
      let usage;
      for await (const part of opened.chat({ messages, max_tokens, temperature: 0, stream: true })) {
        const { content } = part.choices[0].delta;
        if (content) onToken(content);
        usage = part.usage;
      }
      return { prompt_tokens: usage.prompt_tokens };
    },
  };
}
