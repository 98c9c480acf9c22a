// Vectors of nodes, in Node.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { embedGraph } from "nomul/graph";
import { failsWith } from "./support/model.mjs";

/** Two rings of 30 nodes, every node tied to the four nearest of its ring, and one edge between the rings. */
function rings(separator = "\t") {
  const lines = [];
  for (const ring of ["a", "b"]) {
    for (let i = 0; i < 30; i++) {
      for (const step of [1, 2]) lines.push([`${ring}${i}`, `${ring}${(i + step) % 30}`].join(separator));
    }
  }
  return [...lines, ["a0", "b0"].join(separator), ""].join("\n");
}

async function using(opening, work) {
  const graph = await opening;
  try {
    return await work(graph);
  } finally {
    await graph.dispose();
  }
}

describe("an embedding", () => {
  let graph;
  before(async () => (graph = await embedGraph(rings(), { dimensions: 64 })));
  after(() => graph?.dispose());

  test("has a vector for each node", async () => {
    assert.deepEqual(graph.info, { nodes: 60, storedEdges: 242, dimensions: 64 });
    const keys = await graph.keys();
    assert.equal(new Set(keys).size, 60);
    const vectors = await graph.vectors();
    assert.equal(vectors.length, 60 * 64);
    const { rows, unit } = await graph.integers();
    rows.forEach((number, i) => assert.equal(vectors[i], number * 2 ** unit));
    assert.deepEqual((await graph.integers({ first: 7, count: 5 })).rows, rows.slice(7 * 64, 12 * 64));
    assert.deepEqual(await graph.vectors({ first: 58 }), vectors.slice(58 * 64));
    await failsWith("input", graph.integers({ first: 58, count: 3 }));
  });

  test("puts nodes of one ring together", async () => {
    for (const key of ["a7", "b20"]) {
      const found = await graph.neighbours(key, { k: 4, candidates: 0 });
      assert.equal(found.length, 4);
      for (const near of found) assert.ok(near.key[0] === key[0] && near.key !== key, near.key);
      assert.deepEqual(await graph.neighbours(key, { k: 4 }), found);
    }
    const [inside, across] = await graph.linkScores([
      ["a7", "a8"],
      ["a7", "b8"],
    ]);
    assert.ok(inside > across);
  });

  test("lies in a plane", async () => {
    const places = await graph.project();
    assert.equal(places.length, 120);
    assert.ok(places.every(Number.isFinite));
  });

  test("is the same from bytes cut anywhere, other separators, and arrays", async () => {
    const wanted = await graph.vectors();
    const bytes = new TextEncoder().encode(rings(","));
    async function* cut() {
      for (let at = 0; at < bytes.length; at += 7) yield bytes.subarray(at, at + 7);
    }
    for (const data of [cut(), new Blob([rings(" ")])]) {
      await using(embedGraph(data, { dimensions: 64 }), async (other) => {
        assert.deepEqual(await other.vectors(), wanted);
      });
    }
    const edges = { from: Uint32Array.of(0, 1, 2), to: Uint32Array.of(1, 2, 0), nodes: 4 };
    await using(embedGraph(edges, { dimensions: 16 }), async (other) => {
      assert.deepEqual(await other.keys(), ["0", "1", "2", "3"]);
      await using(embedGraph("0 1\n1 2\n2 0\n", { dimensions: 16 }), async (text) => {
        assert.deepEqual(await text.keys(), ["0", "1", "2"]);
        assert.equal(other.info.storedEdges, text.info.storedEdges);
      });
    });
  });
});

test("compressed sparse rows are the graph of their edges", async () => {
  const edges = { from: Uint32Array.of(0, 1, 2), to: Uint32Array.of(1, 2, 0) };
  const rows = { starts: Uint32Array.of(0, 2, 4, 6), targets: Uint32Array.of(1, 2, 0, 2, 1, 0) };
  const options = { dimensions: 16, unitPowers: false, centre: false, finish: "sum" };
  await using(embedGraph(edges, options), (graph) =>
    using(embedGraph(rows, options), async (other) => {
      assert.deepEqual(other.info, graph.info);
      assert.deepEqual(await other.integers(), await graph.integers());
      assert.deepEqual(await other.keys(), ["0", "1", "2"]);
    }),
  );
  await using(embedGraph(rows, { dimensions: 16 }), (graph) =>
    using(embedGraph(rows, options), async (other) =>
      assert.notDeepEqual(await other.integers(), await graph.integers()),
    ),
  );
});

test("properties and vectors of one's own start nodes, and such a graph cannot be changed", async () => {
  const keys = ["a", "c"];
  const options = { dimensions: 16, weights: [1], finish: "sum", centre: false, keep: true };
  const properties = { keys, values: Float32Array.of(1, 0, 0, 1) };
  await using(embedGraph("a b\nb c\n", { ...options, properties, propertyRatio: 0.5 }), async (graph) => {
    const { rows } = await graph.integers();
    const [a, b] = [rows.subarray(8, 16), rows.subarray(24, 32)];
    assert.ok(a.some((entry) => entry !== 0));
    assert.ok(b.every((entry) => entry === 0));
    await failsWith("unsupported", graph.change({ added: [["a", "c"]] }));
  });
  const initial = { values: Float32Array.from({ length: 48 }, (_, i) => (i % 17 === 0 ? 3 : 0)) };
  await using(embedGraph("a b\nb c\n", { ...options, initial }), async (graph) => {
    const { rows } = await graph.integers();
    assert.deepEqual([rows[0], rows[17], rows[34], rows[1]], [rows[0], rows[0], rows[0], 0]);
    assert.ok(rows[0] > 0);
  });
});

describe("changes", () => {
  test("are a full run's result", async () => {
    const options = { dimensions: 32, keep: true };
    const [grown, whole] = await Promise.all([embedGraph(rings(), options), embedGraph(`${rings()}a5\tb9\n`, options)]);
    assert.ok((await grown.change({ added: [["a5", "b9"]] })) > 0);
    assert.equal(grown.info.storedEdges, whole.info.storedEdges);
    assert.deepEqual(await grown.vectors(), await whole.vectors());
    await grown.reweigh([0, 1, 1]);
    await using(embedGraph(`${rings()}a5\tb9\n`, { ...options, weights: [0, 1, 1] }), async (other) => {
      assert.deepEqual(await grown.vectors(), await other.vectors());
    });
    await failsWith("missing", grown.change({ removed: [["a5", "nowhere"]] }));
    await Promise.all([grown.dispose(), whole.dispose()]);
    await using(embedGraph(rings()), (other) => failsWith("not_ready", other.change({ added: [["a5", "b9"]] })));
  });
});

describe("what is wrong is told", () => {
  for (const [what, code, data, options, line] of [
    ["no edges", "input", "", {}, /empty/],
    ["a line that is no edge", "format", "a\tb\nc\n", {}, /line 2/],
    ["a weight that is none", "value", "a\tb\t-1\n", {}, /line 1/],
    ["dimensions", "input", "a b\n", { dimensions: 0 }, /^dimensions: 0/],
    ["weights", "input", "a b\n", { weights: [] }, /^weights/],
    ["a seed", "input", "a b\n", { seed: 0.5 }, /^seed/],
    ["a direction", "input", "a b\n", { direction: "up" }, /^direction/],
    ["a step", "input", "a b\n", { step: "jump" }, /^step/],
    [
      "rows that end early",
      "input",
      { starts: Uint32Array.of(0, 2), targets: Uint32Array.of(0) },
      {},
      /^starts of rows/,
    ],
    ["rows of no node", "input", { starts: Uint32Array.of(0), targets: Uint32Array.of() }, {}, /empty/],
    [
      "a property of a node that is not there",
      "missing",
      "a b\n",
      { properties: { keys: ["c"], values: Float32Array.of(1) }, propertyRatio: 0.5 },
      /^properties: no node c/,
    ],
    [
      "properties that are none",
      "value",
      "a b\n",
      { properties: { keys: ["a"], values: Float32Array.of(NaN) }, propertyRatio: 0.5 },
      /^properties: node a: value NaN/,
    ],
    [
      "vectors of another length",
      "shape",
      "a b\n",
      { initial: { values: new Float32Array(6) }, dimensions: 4 },
      /^initial vectors: 3 columns, 4 dimensions/,
    ],
  ]) {
    test(what, async () => {
      const error = await failsWith(code, embedGraph(data, options));
      assert.match(error.message, line);
    });
  }

  test("a node that is not there", () =>
    using(embedGraph("a b\n"), (graph) => failsWith("missing", graph.neighbours("c"))));
});

test("progress is told, and a signal ends it", async () => {
  const seen = [];
  await using(embedGraph(rings(), { onProgress: (progress) => seen.push(progress) }), async () => undefined);
  assert.deepEqual([...new Set(seen.map(({ phase }) => phase))], ["reading", "embedding"]);
  const controller = new AbortController();
  const onProgress = () => controller.abort();
  await assert.rejects(embedGraph(rings(), { signal: controller.signal, onProgress }), { name: "AbortError" });
});
