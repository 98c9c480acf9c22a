// Calls upon a model that are given up at random times. It runs in Node and in pages.

import { random } from "./random.mjs";

/** Longer than any call takes: what is not settled by then hangs. */
const HANGS_AFTER_MS = 20_000;
const LONGEST_MS = 12;

/**
 * Makes `count` calls of all kinds, one to three at once, each with a signal that fires before, soon after or never. Answers with
 * how many were aborted, how many finished before, and what failed in another way or not at all.
 */
export async function aborts(model, { count, seed }) {
  const next = random(seed);
  const below = (n) => Math.floor(next() * n);
  const prompt = () => Array.from({ length: 1 + below(60) }, () => 3 + below(300));
  const messages = [{ role: "user", content: "What is gravity?" }];
  const state = await model.saveState();
  const drain = async (parts) => {
    for await (const _ of parts);
  };
  const calls = [
    (signal) => model.complete({ prompt: prompt(), max_tokens: below(30), temperature: 1, signal }),
    (signal) => drain(model.complete({ prompt: prompt(), max_tokens: below(30), signal, stream: true })),
    (signal) => model.chat({ messages, max_tokens: below(20), signal }),
    (signal) => drain(model.chat({ messages, max_tokens: below(20), signal, stream: true, n: 2 })),
    (signal) => model.tokenize("Once upon a time", { signal }),
    (signal) => model.detokenize(prompt(), { signal }),
    (signal) => model.logits(prompt(), { signal }),
    (signal) => model.perplexity([1, ...prompt()], { signal }),
    (signal) => model.embed(prompt(), { signal }),
    (signal) => model.inspect({ signal }),
    (signal) => model.setPlanes(undefined, { signal }),
    (signal) => model.stats({ signal }),
    (signal) => model.saveState({ signal }),
    (signal) => model.loadState(state, { signal }),
    async (signal) => {
      const fork = await model.fork({ signal });
      await fork.complete({ prompt: prompt(), max_tokens: 3, signal }).finally(() => fork.dispose());
    },
  ];
  const outcome = { aborted: 0, finished: 0, failed: [] };
  const one = async (index) => {
    const controller = new AbortController();
    const kind = below(calls.length);
    const after = below(4) === 0 ? -1 : next() * LONGEST_MS;
    const timer = after < 0 ? undefined : setTimeout(() => controller.abort(), after);
    if (below(10) === 0) controller.abort();
    let hangs;
    const late = new Promise((_, reject) => {
      hangs = setTimeout(() => reject(new Error("it hangs")), HANGS_AFTER_MS);
    });
    try {
      await Promise.race([calls[kind](controller.signal), late]);
      outcome.finished++;
    } catch (error) {
      if (error.name === "AbortError") outcome.aborted++;
      // After setPlanes there is no state to save before the next answer.
      else if (error.code === "not_ready") outcome.finished++;
      else outcome.failed.push(`call ${index}, kind ${kind}, after ${after} ms: ${error}`);
    } finally {
      clearTimeout(timer);
      clearTimeout(hangs);
    }
  };
  for (let index = 0; index < count;) {
    const together = Math.min(1 + below(3), count - index);
    await Promise.all(Array.from({ length: together }, () => one(index++)));
  }
  return outcome;
}
