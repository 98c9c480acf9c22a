// The index of vectors in Chromium: the same as in Node, and kept by the browser.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { VectorIndex } from "nomul/search";
import { packageInChromium } from "../../pkg-scripts/shared/engines.mjs";
import { folder } from "../../web/lib/test/support/model.mjs";

let page, close;
before(async () => ({ page, close } = await packageInChromium(folder)));
after(() => close?.());

/** Builds an index, changes it, asks it. Runs here and in the page. */
async function work(VectorIndex) {
  const index = await VectorIndex.create({ kind: "i8", dimensions: 100, encoder: "numbers 1" });
  const vectors = Int8Array.from({ length: 100 * 3000 }, (_, i) => ((i * 2654435761) >>> 24) - 128);
  await index.insert(
    Array.from({ length: 3000 }, (_, key) => 7 * key),
    vectors,
  );
  await index.remove([0, 7, 700]);
  await index.update(70, vectors.slice(0, 100));
  const queries = vectors.slice(100 * 50, 100 * 54);
  const found = [
    await index.searchMany(queries, { candidates: 0 }),
    await index.searchMany(queries, { candidates: 60 }),
    await index.searchMany(queries, { filter: (key) => key % 2 === 1 }),
  ];
  const image = await index.toArrayBuffer();
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", image));
  await index.dispose();
  return { found, size: image.byteLength, digest: [...digest] };
}

test("finds what it finds in Node, to the last bit, and has the same image", async () => {
  const here = await work(VectorIndex);
  const there = await page.evaluate(
    `(async () => (${work})((await import("/build/vectors/search.js")).VectorIndex))()`,
  );
  assert.deepEqual(there, here);
});

test("the memory is told, and errors keep their code", async () => {
  const [bytes, code] = await page.evaluate(async () => {
    const { VectorIndex } = await import("/build/vectors/search.js");
    const shape = { kind: "signs", dimensions: 1024, vectors: 1_000_000 };
    const failed = await VectorIndex.memory({ ...shape, kind: "bits" }).catch((error) => error);
    return [await VectorIndex.memory(shape), failed.code];
  });
  assert.ok(bytes > 136e6 && bytes < 150e6, String(bytes));
  assert.equal(code, "input");
});

// A browser without private files: what the worker asks for is taken away before it starts.
const OLD = {
  "/old-browser.js": "delete globalThis.FileSystemFileHandle;",
  "/old-worker.js": 'import "/old-browser.js"; import "/build/vectors/worker.js";',
};

for (const [place, workerUrl] of [
  ["the private file system", undefined],
  ["the cache, where there are no files", "/old-worker.js"],
]) {
  test(`is kept in ${place}`, async () => {
    for (const [path, body] of Object.entries(OLD)) {
      await page.route(`**${path}`, (route) => route.fulfill({ contentType: "text/javascript", body }));
    }
    const result = await page.evaluate(async (workerUrl) => {
      const { VectorIndex } = await import("/build/vectors/search.js");
      const name = "my index / äöü";
      const options = { workerUrl };
      const missing = await VectorIndex.open(name, options).catch((error) => error.code);
      const index = await VectorIndex.create({ kind: "signs", dimensions: 65_536 }, options);
      await index.insert([1, 2], new Uint8Array(2 * 8192).fill(0x5a));
      await index.save(name);
      const small = (await index.toArrayBuffer()).byteLength;
      // A save that is given up leaves the first one.
      await index.insert(
        Array.from({ length: 1500 }, (_, i) => i + 3),
        new Uint8Array(1500 * 8192),
      );
      const controller = new AbortController();
      const onProgress = () => controller.abort();
      const aborted = await index.save(name, { signal: controller.signal, onProgress }).catch((error) => error.name);
      await index.dispose();
      const again = await VectorIndex.open(name, options);
      const { size } = await again.info();
      const back = (await again.toArrayBuffer()).byteLength;
      await again.dispose();
      const foreign = await VectorIndex.open(name, { ...options, encoder: "other" }).catch((error) => error.code);
      const gone = [await VectorIndex.delete(name, options), await VectorIndex.delete(name, options)];
      return { missing, aborted, size, same: back === small, foreign, gone };
    }, workerUrl);
    assert.deepEqual(result, {
      missing: "missing",
      aborted: "AbortError",
      size: 2,
      same: true,
      foreign: "unsupported",
      gone: [true, false],
    });
  });
}
