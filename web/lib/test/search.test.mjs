// The index of vectors, in Node.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { VectorIndex } from "nomul/search";
import { failsWith } from "./support/model.mjs";

const bits = { kind: "signs", dimensions: 1024 };

describe("memory", () => {
  test("is told before anything is built", async () => {
    const bytes = await VectorIndex.memory({ ...bits, vectors: 1_000_000 });
    assert.ok(bytes > 136e6 && bytes < 150e6, String(bytes));
  });

  for (const [what, shape] of Object.entries({
    kind: { kind: "bits" },
    metric: { metric: "euclid" },
    dimensions: { dimensions: 0 },
    vectors: { vectors: -1 },
  })) {
    test(`${what} that cannot be`, async () => {
      const error = await failsWith("input", VectorIndex.memory({ ...bits, vectors: 1, ...shape }));
      assert.match(error.message, new RegExp(`^${what}: `));
    });
  }
});

describe("the worker", () => {
  test("a module that is not there is told", () =>
    failsWith("network", VectorIndex.memory({ ...bits, vectors: 1 }, { wasmUrl: "/nowhere.wasm" })));

  test("a signal that has fired stops the start", async () => {
    const started = VectorIndex.memory({ ...bits, vectors: 1 }, { signal: AbortSignal.abort() });
    await assert.rejects(started, { name: "AbortError" });
  });
});
