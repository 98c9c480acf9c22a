// Several threads: the same answers, and what happens where they cannot be had.

import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { detect, load } from "nomul";
import { failsWith, folder, goldenAnswer, isOther } from "./support/model.mjs";

const { threads: canShare, autoThreads, relaxedSimd } = detect();
const without = { skip: !canShare && "the engines for several threads were not built" };
const one = relaxedSimd ? "relaxed" : "simd";

/** Loads, uses the model, disposes of it. */
async function using(options, work) {
  const model = await load(folder, options);
  try {
    return await work(model);
  } finally {
    await model.dispose();
  }
}

const running = ({ info: { build, threads } }) => ({ build, threads });

test("auto takes what detect recommends", () =>
  using({}, (model) => {
    assert.deepEqual(running(model), { build: detect().build, threads: autoThreads });
    assert.equal(model.info.buildReason, detect().reason);
  }));

test("one thread has an engine of its own", () =>
  using({ threads: 1 }, (model) => assert.deepEqual(running(model), { build: one, threads: 1 })));

for (const threads of [2, 3, 7]) {
  test(`${threads} threads give the tokens of the native command`, { skip: isOther || without.skip }, async () => {
    const { prompt_tokens, tokens } = await goldenAnswer();
    await using({ threads }, async (model) => {
      assert.deepEqual(running(model), { build: `${one}-threads`, threads });
      const answer = await model.complete({ prompt: prompt_tokens, max_tokens: tokens.length, temperature: 0 });
      assert.deepEqual(answer.choices[0].tokens, tokens);
    });
  });
}

test("numbers of threads that cannot be", async () => {
  for (const threads of [0, -1, 1.5, 33, 1e12, NaN, Infinity, "many"]) {
    const error = await failsWith("input", load(folder, { threads }));
    assert.match(error.message, /^threads: .* is not a whole number from 1 to 32, nor "auto"$/);
  }
  await failsWith("input", load(folder, { build: "simd", threads: 2 }));
});

const support = (name) => new URL(`./support/${name}`, import.meta.url);

test("little memory does, too little is told and leaves one thread", without, async (t) => {
  const workerUrl = support("little-memory.mjs");
  t.after(() => delete process.env.NOMUL_TEST_PAGES);
  process.env.NOMUL_TEST_PAGES = 8192;
  await using({ threads: 2, workerUrl }, (model) => assert.equal(model.info.threads, 2));
  process.env.NOMUL_TEST_PAGES = 0;
  await using({ threads: 2, workerUrl }, async (model) => {
    assert.deepEqual(running(model), { build: one, threads: 1 });
    assert.equal(model.info.buildReason, "One thread: there are no 256 MB of memory that threads can share.");
    assert.equal((await model.complete({ prompt: [1], max_tokens: 1 })).choices[0].tokens.length, 1);
  });
  await failsWith("capacity", load(folder, { build: "simd-threads", threads: 2, workerUrl }));
});

test("threads that cannot be started leave one, which says why", without, () =>
  using({ threads: 3, workerUrl: support("no-threads.mjs") }, async (model) => {
    assert.deepEqual(running(model), { build: one, threads: 1 });
    assert.equal(model.info.buildReason, "One thread: there are too many threads.");
    assert.equal((await model.complete({ prompt: [1], max_tokens: 1 })).choices[0].tokens.length, 1);
  }),
);

test("an abort in the middle of the prompt leaves a model that answers", without, async () => {
  const prompt = Array.from({ length: 200 }, (_, index) => 1 + (index % 50));
  await using({ threads: 2 }, async (model) => {
    const greedy = async () => (await model.complete({ prompt, max_tokens: 4, temperature: 0 })).choices[0].tokens;
    const controller = new AbortController();
    let read = 0;
    const onPrefill = (done, total) => {
      read = done / total;
      controller.abort();
    };
    const stopped = model.complete({ prompt, max_tokens: 4, signal: controller.signal, onPrefill });
    await assert.rejects(stopped, { name: "AbortError" });
    assert.ok(read > 0 && read < 1, String(read));
    const after = await greedy();
    assert.deepEqual(
      after,
      await using({ threads: 1 }, async (alone) => {
        const answer = await alone.complete({ prompt, max_tokens: 4, temperature: 0 });
        return answer.choices[0].tokens;
      }),
    );
  });
});

const threadsOfProcess = () => readdirSync("/proc/self/task").length;

test(
  "threads end with the model, also in the middle of an answer",
  { skip: without.skip || process.platform !== "linux" },
  async () => {
    // Threads of the tests before may still be ending.
    const settled = async () => {
      for (let last; last !== threadsOfProcess(); await sleep(200)) last = threadsOfProcess();
      return threadsOfProcess();
    };
    const before = await settled();
    const model = await load(folder, { threads: 8 });
    assert.ok(threadsOfProcess() >= before + 8, "threads that are not there");
    const refused = failsWith("disposed", model.complete({ prompt: [1], max_tokens: 1000 }));
    await sleep(20);
    await model.dispose();
    await refused;
    assert.equal(await settled(), before);
  },
);
