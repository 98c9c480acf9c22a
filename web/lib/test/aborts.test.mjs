// Nothing hangs and nothing is left behind, whenever somebody gives up.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { load } from "nomul";
import { aborts } from "./support/aborts.mjs";
import { folder, greedy } from "./support/model.mjs";

/** Printed with the test's name in mind: figures of this run. */
const tell = (t, line) => t.diagnostic(line);

test("1,000 random aborts, of every method", { timeout: 240_000 }, async (t) => {
  const model = await load(folder, { threads: 2 });
  const expected = await greedy(model, 8);
  const { aborted, finished, failed } = await aborts(model, { count: 1000, seed: 8 });
  assert.deepEqual(failed, []);
  assert.equal(aborted + finished, 1000);
  assert.ok(aborted > 100 && finished > 50, `${aborted} aborted, ${finished} finished`);
  // The model is as it was.
  assert.deepEqual(await greedy(model, 8), expected);
  await model.dispose();
  tell(t, `${aborted} were aborted, ${finished} had an answer before`);
});

test("loading can be given up at any time", async () => {
  for (let ms = 0; ms < 60; ms += 3) {
    const outcome = await load(folder, { signal: AbortSignal.timeout(ms) }).then(
      (model) => model.dispose(),
      (error) => error.name,
    );
    assert.ok(outcome === undefined || outcome === "AbortError", `${ms} ms: ${outcome}`);
  }
});

const threadsOf = async () =>
  Number(/Threads:\s+(\d+)/.exec(await readFile("/proc/self/status", "utf8").catch(() => ""))?.[1]);

test("50 times loaded and disposed of: no worker and no memory stays", { timeout: 240_000 }, async (t) => {
  const cycle = async () => {
    const model = await load(folder, { threads: 2 });
    await greedy(model, 4);
    await model.dispose();
  };
  const memory = async () => {
    // Finalisers of what was collected run later.
    for (let i = 0; i < 3; i++) {
      globalThis.gc?.();
      await sleep(50);
    }
    return process.memoryUsage();
  };
  // What is loaded once and stays: compiled code, pools.
  for (let i = 0; i < 10; i++) await cycle();
  const [before, threads] = [await memory(), await threadsOf()];
  for (let i = 0; i < 50; i++) await cycle();
  const after = await memory();
  const grown = Object.fromEntries(Object.keys(after).map((key) => [key, (after[key] - before[key]) / 1e6]));
  tell(t, `grown by ${JSON.stringify(grown)} MB`);
  assert.ok(grown.heapUsed + grown.external < 5, JSON.stringify(grown));
  if (Number.isFinite(threads)) assert.ok((await threadsOf()) <= threads, `${threads} threads before`);
});
