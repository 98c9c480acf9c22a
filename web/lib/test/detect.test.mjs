import assert from "node:assert/strict";
import { availableParallelism } from "node:os";
import { test } from "node:test";
import { detect } from "nomul";

test("tells what Node can run", () => {
  const { simd, relaxedSimd, threads, crossOriginIsolated, autoThreads, build, reason } = detect();
  assert.equal(simd, true);
  assert.equal(crossOriginIsolated, false);
  assert.equal(build, `${relaxedSimd ? "relaxed" : "simd"}${autoThreads > 1 ? "-threads" : ""}`);
  assert.match(reason, /SIMD.*thread/);
  // Node compiles relaxed SIMD from version 22 on.
  assert.equal(relaxedSimd, Number(process.versions.node.split(".")[0]) >= 22);
  const processors = availableParallelism();
  assert.ok(autoThreads >= 1 && autoThreads <= Math.min(8, processors));
  if (threads && processors > 1) assert.ok(autoThreads > 1, "threads that nobody uses");
});

test("says why nothing runs where WebAssembly is missing or too old", (t) => {
  t.mock.method(WebAssembly, "validate", () => false);
  assert.deepEqual(detect(), {
    simd: false,
    relaxedSimd: false,
    threads: false,
    crossOriginIsolated: false,
    autoThreads: 1,
    build: undefined,
    reason: "This engine has no WebAssembly SIMD.",
  });
});

test("a page without isolation has one thread, and is told so", (t) => {
  const before = detect();
  globalThis.crossOriginIsolated = false;
  t.after(() => delete globalThis.crossOriginIsolated);
  const { threads, autoThreads, build, reason } = detect();
  assert.deepEqual([threads, autoThreads], [false, 1]);
  assert.equal(build, before.relaxedSimd ? "relaxed" : "simd");
  if (before.threads) assert.match(reason, /one thread: the page is not cross-origin isolated .*COOP and COEP/);
});

test("an engine without atomic instructions has one thread", (t) => {
  const { simd } = detect();
  const validate = WebAssembly.validate.bind(WebAssembly);
  t.mock.method(WebAssembly, "validate", (bytes) => !bytes.includes(0xfe) && validate(bytes));
  const { threads, build } = detect();
  assert.deepEqual([simd, threads, build.endsWith("-threads")], [true, false, false]);
});
