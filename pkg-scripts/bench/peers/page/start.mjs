// One engine from its address to its answer. Everything that is asked for stands in the address, so that the page waits
// for nobody; the clock of a page begins with its navigation.

/**
 * `engine` names a file of engines/, `options` go to its `open`, and `messages` are asked as soon as it can answer.
 * Moments are milliseconds; `all` is that of the last byte of the model.
 */
async function start({ engine, options, messages, tokens }) {
  const { open } = await import(`./engines/${engine}.mjs`);
  const model = await open(options);
  const usable = performance.now();
  const all = model.downloaded.then(() => performance.now());
  let first_token;
  let answer = "";
  const { prompt_tokens } = await model.chat(messages, tokens, (piece) => {
    first_token ??= performance.now();
    answer += piece;
  });
  return { usable, first_token, all: await all, answer, prompt_tokens, threads: model.threads };
}

globalThis.outcome = start(JSON.parse(new URLSearchParams(location.search).get("request")));
