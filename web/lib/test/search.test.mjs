// The index of vectors, in Node.

import assert from "node:assert/strict";
import { mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { VectorIndex } from "nomul/search";
import { failsWith } from "./support/model.mjs";

const bits = { kind: "signs", dimensions: 1024 };

/** Small whole numbers that a seed decides (the generator of Park and Miller). */
function random(count, seed, size = 100) {
  let state = seed;
  return Int8Array.from({ length: count }, () => {
    state = (state * 48271) % 0x7fffffff;
    return (state % (2 * size + 1)) - size;
  });
}

/** All neighbours of a vector by multiplying. */
function textbook(vectors, dimensions, query) {
  const dot = (x, y) => x.reduce((sum, number, i) => sum + number * y[i], 0);
  const rows = Array.from({ length: vectors.length / dimensions }, (_, i) =>
    vectors.slice(i * dimensions, (i + 1) * dimensions),
  );
  return rows
    .map((row, key) => ({ key, score: dot(row, query) / Math.sqrt(dot(row, row) * dot(query, query)) }))
    .sort((a, b) => b.score - a.score || a.key - b.key);
}

function assertNear(found, wanted) {
  assert.deepEqual(
    found.map(({ key }) => key),
    wanted.map(({ key }) => key),
  );
  found.forEach(({ score }, i) => assert.ok(Math.abs(score - wanted[i].score) < 1e-9));
}

const keysUpTo = (count) => Array.from({ length: count }, (_, key) => key);

async function using(opening, work) {
  const index = await opening;
  try {
    return await work(index);
  } finally {
    await index.dispose();
  }
}

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
    failsWith("network", VectorIndex.create(bits, { wasmUrl: "/nowhere.wasm" })));

  test("a signal that has fired stops the start", async () => {
    await assert.rejects(VectorIndex.create(bits, { signal: AbortSignal.abort() }), { name: "AbortError" });
  });

  test("a disposed index refuses, and what waited fails", async () => {
    const index = await VectorIndex.create(bits);
    const waiting = failsWith("disposed", index.keys());
    await index.dispose();
    await waiting;
    await failsWith("disposed", index.info());
  });
});

describe("searching", () => {
  const dimensions = 60;
  const vectors = random(500 * dimensions, 7);
  const query = random(dimensions, 99);
  const wanted = textbook(vectors, dimensions, query);
  let index;
  before(async () => {
    index = await VectorIndex.create({ kind: "i8", dimensions });
    await index.insert(keysUpTo(500), vectors);
  });
  after(() => index?.dispose());

  test("exactly, as the textbook does", async () => {
    assertNear(await index.search(query, { k: 20, candidates: 0 }), wanted.slice(0, 20));
  });

  test("in two stages, with enough candidates, the same", async () => {
    assertNear(await index.search(query, { k: 20, candidates: 500 }), wanted.slice(0, 20));
    const few = await index.search(query, { k: 3, candidates: 5 });
    assert.equal(few.length, 3);
  });

  test("several at once", async () => {
    const both = Int8Array.from([...query, ...vectors.subarray(0, dimensions)]);
    const [first, second] = await index.searchMany(both, { k: 5, candidates: 0 });
    assertNear(first, wanted.slice(0, 5));
    assert.equal(second[0].key, 0);
    assert.ok(Math.abs(second[0].score - 1) < 1e-9);
  });

  test("among allowed keys, listed or told by a function", async () => {
    const even = wanted.filter(({ key }) => key % 2 === 0).slice(0, 10);
    assertNear(await index.search(query, { candidates: 0, filter: (key) => key % 2 === 0 }), even);
    const listed = Uint32Array.from(keysUpTo(250), (key) => 2 * key);
    assertNear(await index.search(query, { candidates: 0, filter: listed }), even);
    assert.deepEqual(await index.search(query, { filter: [] }), []);
  });

  test("what is not a query is told", async () => {
    await failsWith("input", index.search(query.subarray(1)));
    await failsWith("input", index.search(new Int16Array(dimensions)));
    await failsWith("input", index.search(Int8Array.from([...query, ...query])));
    await failsWith("input", index.search(query, { k: 0 }));
    await failsWith("input", index.search(query, { k: 1.5 }));
  });

  test("a search can be given up, and the next one works", async () => {
    const many = new Int8Array(dimensions * 3000).fill(1);
    const controller = new AbortController();
    let seen = 0;
    const onProgress = ({ done, total }) => {
      assert.ok(done <= total && total === 500);
      seen++;
      controller.abort();
    };
    const given = index.searchMany(many, { candidates: 0, signal: controller.signal, onProgress });
    await assert.rejects(given, { name: "AbortError" });
    assert.equal(seen, 1);
    assertNear(await index.search(query, { candidates: 0 }), wanted.slice(0, 10));
  });
});

describe("changing", () => {
  test("insert, update, put, remove, get", () =>
    using(
      VectorIndex.create({ kind: "ternary", dimensions: 3, metric: "dot", encoder: "letters 1" }),
      async (index) => {
        await index.insert([5, 2 ** 53 - 1], Int8Array.of(1, 0, -1, 0, 1, 1));
        assert.deepEqual([...(await index.keys())].sort(), [5, 2 ** 53 - 1]);
        assert.deepEqual(await index.get(5), Int8Array.of(1, 0, -1));
        await index.update(5, Int8Array.of(-1, -1, 0));
        await index.put([5, 6], Int8Array.of(0, 0, 1, 1, 1, 1));
        assert.deepEqual(await index.search(Int8Array.of(1, 1, 1)), [
          { key: 6, score: 3 },
          { key: 2 ** 53 - 1, score: 2 },
          { key: 5, score: 1 },
        ]);
        assert.equal(await index.remove([5, 7]), 1);
        assert.equal(await index.get(5), undefined);
        const { memory, ...info } = await index.info();
        assert.deepEqual(info, { kind: "ternary", dimensions: 3, metric: "dot", encoder: "letters 1", size: 2 });
        assert.ok(memory > 0);
      },
    ));

  test("what is wrong is told, and what was there stays", () =>
    using(VectorIndex.create({ kind: "i16", dimensions: 2 }), async (index) => {
      await index.insert([1], Int16Array.of(300, -300));
      const error = await failsWith("input", index.insert([2, 1], Int16Array.of(1, 1, 2, 2)));
      assert.equal(error.message, "vector 1: key 1 is there already");
      await failsWith("missing", index.update([3], Int16Array.of(1, 1)));
      await failsWith("input", index.insert([4], Int16Array.of(1, 1, 1)));
      await failsWith("input", index.insert([4, 5], Int16Array.of(1, 1, 1)));
      await failsWith("input", index.insert([-1], Int16Array.of(1, 1)));
      await failsWith("input", index.insert([0.5], Int16Array.of(1, 1)));
      await failsWith("input", index.insert([4], Float32Array.of(1, 1)));
      assert.deepEqual([...(await index.keys())].sort(), [1, 2]);
      assert.deepEqual(await index.get(1), Int16Array.of(300, -300));
    }));
});

describe("keeping", () => {
  let folder, image;
  const vectors = Uint8Array.from(random(200 * 16, 3));
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "nomul-index-"));
    image = await using(VectorIndex.create({ kind: "signs", dimensions: 128, encoder: "e 1" }), async (index) => {
      await index.insert(keysUpTo(200), vectors);
      await index.save(join(folder, "index"));
      return index.toArrayBuffer();
    });
  });
  after(() => rm(folder, { recursive: true }));

  test("the file is the image, and nothing lies beside it", async () => {
    assert.deepEqual(new Uint8Array(await readFile(join(folder, "index"))), new Uint8Array(image));
    assert.deepEqual(await readdir(folder), ["index"]);
  });

  test("an image comes back", async () => {
    const seen = [];
    const options = { encoder: "e 1", onProgress: ({ bytes }) => seen.push(bytes) };
    await using(VectorIndex.load(image.slice(0), options), async (index) => {
      assert.deepEqual(await index.get(77), vectors.slice(77 * 16, 78 * 16));
      assert.deepEqual(new Uint8Array(await index.toArrayBuffer()), new Uint8Array(image));
    });
    assert.equal(seen.at(-1), image.byteLength);
    await using(VectorIndex.open(join(folder, "index")), async (index) => assert.equal((await index.info()).size, 200));
  });

  test("what is no such image is refused in one line", async () => {
    const damaged = image.slice(0);
    new Uint8Array(damaged)[1000] ^= 1;
    await failsWith("checksum", VectorIndex.load(damaged));
    await failsWith("format", VectorIndex.load(image.slice(0, 1000)));
    await failsWith("format", VectorIndex.load(new ArrayBuffer(0)));
    await failsWith("format", VectorIndex.load(new ArrayBuffer(500)));
    const error = await failsWith("unsupported", VectorIndex.load(image.slice(0), { encoder: "e 2" }));
    assert.equal(error.message, 'image: its vectors are of encoder "e 1", not of "e 2"');
    await failsWith("missing", VectorIndex.open(join(folder, "nothing")));
    await failsWith("io", VectorIndex.open(folder));
  });

  test("a save that fails leaves what was there", async () => {
    const place = join(folder, "kept");
    await writeFile(place, "before");
    await using(VectorIndex.create({ kind: "signs", dimensions: 65_536 }), async (index) => {
      await index.insert(keysUpTo(2000), new Uint8Array(2000 * 8192));
      const controller = new AbortController();
      const onProgress = () => controller.abort();
      await assert.rejects(index.save(place, { signal: controller.signal, onProgress }), { name: "AbortError" });
      await failsWith("io", index.save(join(folder, "no", "folder")));
    });
    assert.equal(await readFile(place, "utf8"), "before");
    assert.deepEqual((await readdir(folder)).sort(), ["index", "kept"]);
    assert.equal(await VectorIndex.delete(place), true);
    assert.equal(await VectorIndex.delete(place), false);
  });
});
