// One engine, one model: load, warm up, answer, all of it by the clock of the page. Every engine works elsewhere and
// tells the page each token as it comes, so the page is the one place that sees all of them alike.

import { wasmMemory } from "./meter.mjs";

/** Reads a prompt and writes `tokens` tokens; `moments` are those of the tokens, in milliseconds from the request. */
async function answer(model, prompt, tokens) {
  const moments = [];
  let text = "";
  const began = performance.now();
  const counts = await model.complete(prompt, tokens, (piece) => {
    moments.push(performance.now() - began);
    text += piece;
  });
  return { ...counts, text, moments };
}

/**
 * Bytes that the page and its workers hold; undefined where the browser does not tell. It asks every worker, and one that
 * sleeps until there is work for it never answers.
 */
async function agentMemory() {
  const patience = new Promise((resolve) => setTimeout(resolve, 5000));
  return (await Promise.race([performance.measureUserAgentSpecificMemory?.(), patience]))?.bytes;
}

/**
 * `engine` names a file of engines/, `options` go to its `open`. `before` is answered first: it is another text, so that
 * compilers have seen the code and yet no engine knows a part of `prompt`.
 */
globalThis.measure = async ({ engine, options, before, prompt, tokens }) => {
  const { open } = await import(`./engines/${engine}.mjs`);
  const began = performance.now();
  const model = await open(options);
  const load_ms = performance.now() - began;
  await answer(model, before, 16);
  const answered = await answer(model, prompt, tokens);
  const { wasm, threads } = model;
  return { load_ms, ...answered, wasm, threads, wasm_memory: await wasmMemory(), agent_memory: await agentMemory() };
};
