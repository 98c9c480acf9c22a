import assert from "node:assert/strict";
import { test } from "node:test";
import { cosines, farthest, similarities, spearman } from "../bench/embed/vectors.mjs";
import { longestTask } from "../bench/page/tasks.mjs";
import { aspect } from "../bench/page/treemap.mjs";
import { byThreads, ratios } from "../bench/peers/ratios.mjs";
import { arrived, bitsOf } from "../bench/quantize.mjs";
import { ratios as startRatios, row as startRow } from "../bench/start/rows.mjs";
import { withoutFolders } from "../shared/record.mjs";
import { median, spread } from "../shared/statistics.mjs";

test("the median is in the middle, whatever the order", () => {
  assert.equal(median([7]), 7);
  assert.equal(median([9, 10, 1]), 9, "numbers are not sorted as words");
  assert.equal(median([4, 1, 3, 2]), 2.5);
  const numbers = Object.freeze([3, 1, 2]);
  assert.deepEqual(spread("speed", numbers), { speed: 2, speed_min: 1, speed_max: 3 });
});

const row = (threads, prefill_tokens_per_s, decode_tokens_per_s) => ({
  threads,
  prefill_tokens_per_s,
  decode_tokens_per_s,
});

test("ratios are over the best of the others, for each figure and number of threads", () => {
  const others = [row(1, 20, 15), row(1, 25, 10), row(2, 40, 20), row(2, 30, 25)];
  assert.deepEqual(ratios([row(1, 50, 30), row(2, 80, 50)], others), {
    decode_1t: 2,
    prefill_1t: 2,
    decode_mt: 2,
    prefill_mt: 2,
  });
});

test("what was not measured has no ratio", () => {
  const none = { decode_1t: null, prefill_1t: null, decode_mt: null, prefill_mt: null };
  assert.deepEqual(ratios([row(1, 50, 30)], []), none);
  assert.deepEqual(ratios([], [row(1, 20, 15), row(2, 40, 25)]), none);
  assert.equal(ratios([row(1, 50, 30)], [row(1, 20, 15)]).decode_mt, null, "a machine of one core");
  assert.equal(ratios([row(1, 50, 30)], [row(1, 20, 15), row(2, 40, 20)]).decode_mt, null, "without threads");
});

test("more threads are compared with one", () => {
  assert.deepEqual(byThreads([row(2, 90, 51), row(1, 50, 30)]), { decode: 1.7, prefill: 1.8 });
  assert.equal(byThreads([row(1, 50, 30)]), null);
  assert.equal(byThreads([row(2, 50, 30)]), null);
});

test("visits become rows, and rows of one network and cache are compared", () => {
  const visit = (usable, transferred, longest_task) => ({
    usable,
    first_token: usable + 500,
    all: 2 * usable,
    transferred,
    answer: "It falls.",
    prompt_tokens: 13,
    longest_task,
  });
  const visits = [visit(1500, 7), visit(1000, 9), visit(4500, 8)];
  const about = { version: "1", weights: "a", weights_bytes: 5 };
  const ours = startRow({ engine: "nomul", ...about }, 20, "cold", visits);
  assert.deepEqual(ours, {
    engine: "nomul",
    ...about,
    network: "20 Mbit/s",
    cache: "cold",
    ...{ usable_s: 1.5, usable_s_min: 1, usable_s_max: 4.5 },
    ...{ first_token_s: 2, first_token_s_min: 1.5, first_token_s_max: 5 },
    ...{ all_s: 3, all_s_min: 2, all_s_max: 9 },
    transferred_bytes: 8,
    prompt_tokens: 13,
    answer: "It falls.",
  });
  const task = (...each) => startRow({ engine: "page", ...about }, 0, "warm", each).longest_task_ms;
  assert.equal(task(visit(1, 1, 60), visit(1, 1), visit(1, 1, 90)), 90);
  assert.equal(task(visit(1, 1)), null);

  const theirs = startRow({ engine: "wllama", ...about }, 20, "cold", [visit(7500, 1)]);
  const other = ["nomul", "wllama"].map((engine) => startRow({ engine, ...about }, 0, "cold", [visit(1, 1)]));
  const warm = ["nomul", "wllama"].map((engine) => startRow({ engine, ...about }, 20, "warm", [visit(1, 1)]));
  assert.deepEqual(startRatios([ours, theirs, ...other, ...warm], "cold"), {
    first_token_20mbit: 0.25,
    all_planes_20mbit: 0.2,
    first_token_unthrottled: 1,
    all_planes_unthrottled: 1,
  });
  assert.deepEqual(startRatios(other, "cold").first_token_20mbit, null);
});

test("a record does not tell where files lie", () => {
  assert.deepEqual(
    withoutFolders({
      flags: ["--gguf", "/home/me/a.gguf", "--onnx=../x/b", "--rounds", "2", "./c/", "C:\\models\\d"],
      rows: [{ model: "/cache/models/e", speed: 1.5, note: null, cpu: "A 7 w/ B" }],
    }),
    {
      flags: ["--gguf", "a.gguf", "--onnx=b", "--rounds", "2", "c/", "d"],
      rows: [{ model: "e", speed: 1.5, note: null, cpu: "A 7 w/ B" }],
    },
  );
});

test("bits are counted with what they take, blocks and tables apart", () => {
  const matrices = [
    { name: "model.embed_tokens.weight", rows: 100, columns: 8, bytes: 600 },
    { name: "model.layers.0.self_attn.q_proj.weight", rows: 8, columns: 8, bytes: 32 },
    { name: "model.layers.0.mlp.down_proj.weight", rows: 8, columns: 24, bytes: 64 },
  ];
  assert.deepEqual(bitsOf(matrices), { block_bits: 3, table_bits: 6 });
  assert.equal(bitsOf(matrices.slice(1)).table_bits, null);
});

test("levels arrive one after the other, behind the base", () => {
  assert.deepEqual(arrived([{ bytes: 10 }, { bytes: 100 }, { bytes: 20 }]), [110, 130]);
});

test("vectors are compared by angle, by elements and by the order of their similarities", () => {
  const [a, b] = [
    [Float32Array.of(1, 0), Float32Array.of(3, 4)],
    [Float32Array.of(2, 0), Float32Array.of(4, 3)],
  ];
  assert.deepEqual(cosines(a, b), [1, 24 / 25]);
  assert.equal(farthest(a, b), 1);
  assert.deepEqual(similarities([...a, Float32Array.of(0, 1)]), [0.6, 0, 0.8]);
  assert.equal(spearman([1, 2, 3, 4], [10, 200, 201, 9000]), 1);
  assert.equal(spearman([1, 2, 3], [3, 2, 1]), -1);
  assert.equal(spearman([1, 1, 2, 2], [5, 5, 7, 7]), 1, "equal numbers share a rank");
});

test("the longest task is of the thread that set the marks, between them, on the clock and on the processor", () => {
  const mark = (name, ts) => ({ cat: "blink.user_timing", ph: "R", name, ts, pid: 1, tid: 2 });
  const task = (ts, dur, tdur, tid = 2) => ({ cat: "toplevel", ph: "X", name: "RunTask", ts, dur, tdur, pid: 1, tid });
  const traceEvents = [
    task(0, 90_000, 90_000),
    mark("usable", 100_000),
    task(110_000, 40_000, 10_000),
    task(160_000, 20_000, 15_000),
    task(160_000, 99_000, 99_000, 3),
    { cat: "toplevel", ph: "X", name: "Other", ts: 170_000, dur: 80_000, pid: 1, tid: 2 },
    mark("all", 200_000),
    task(210_000, 90_000, 90_000),
  ];
  assert.deepEqual(longestTask({ traceEvents }, "usable", "all"), { wall_ms: 40, cpu_ms: 15, tasks: 2 });
  assert.throws(() => longestTask({ traceEvents }, "asked", "stopped"), /neither asked nor stopped/);
});

test("a square's aspect is 2, that of a strip of ten squares 10.1, whichever way round", () => {
  assert.equal(aspect([[0, 0], [1, 0], [1, 1], [0, 1]]), 2); // prettier-ignore
  assert.ok(Math.abs(aspect([[0, 1], [10, 1], [10, 0], [0, 0]]) - 10.1) < 1e-12); // prettier-ignore
});
