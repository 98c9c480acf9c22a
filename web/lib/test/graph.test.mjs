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
