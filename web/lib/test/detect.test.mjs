import assert from "node:assert/strict";
import { test } from "node:test";
import { detect } from "nomul";

test("tells what Node can run", () => {
  const { simd, relaxedSimd, crossOriginIsolated, build, reason } = detect();
  assert.equal(simd, true);
  assert.equal(build, relaxedSimd ? "relaxed" : "simd");
  assert.equal(crossOriginIsolated, false);
  assert.match(reason, /SIMD/);
  // Node compiles relaxed SIMD from version 22 on.
  assert.equal(relaxedSimd, Number(process.versions.node.split(".")[0]) >= 22);
});

test("says why nothing runs where WebAssembly is missing or too old", (t) => {
  t.mock.method(WebAssembly, "validate", () => false);
  assert.deepEqual(detect(), {
    simd: false,
    relaxedSimd: false,
    crossOriginIsolated: false,
    build: undefined,
    reason: "This engine has no WebAssembly SIMD.",
  });
});
