// What the published modules can execute while they read a prompt and write an answer: nothing that multiplies.

import assert from "node:assert/strict";
import { test } from "node:test";
import { arithmeticOf, count, moduleOf } from "../../../pkg-scripts/shared/census.mjs";
import { threadBuilds } from "../wasm/threads.js";

const BUILDS = ["simd", "relaxed", ...(threadBuilds ? ["simd-threads", "relaxed-threads"] : [])];

for (const build of BUILDS) {
  test(`${build}: no product, quotient, root or dot product from the prompt to the next token`, async () => {
    const { functions, imports, counts, multiplying } = await count(moduleOf(build), arithmeticOf(build));
    assert.deepEqual(multiplying, []);
    assert.equal(counts.multiplies, 0);
    // No JavaScript either, which could multiply unseen.
    assert.deepEqual(imports, []);
    // The whole of it is there: kernels for one and several tokens, norms, attention, gates, sampling.
    assert.ok(
      functions > 30 && counts.adds > 5000 && counts.shifts > 1000 && counts.lookups > 500,
      JSON.stringify(counts),
    );
  });
}

test("the rest of a module does multiply, and the census sees it", async () => {
  const { multiplying } = await count(moduleOf("simd"), ["engine_new"]);
  const found = new Set(multiplying.flatMap(({ instructions }) => Object.keys(instructions)));
  for (const instruction of ["F64Mul", "F64Div", "I32Mul", "I32DivU"]) assert.ok(found.has(instruction), instruction);
});
