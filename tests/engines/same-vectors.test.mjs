// The vectors of a graph's nodes are the same bits on every engine and any number of threads.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { embedGraph } from "nomul/graph";
import { COMMAND_ENGINES, packageInChromium, commandIn } from "../../pkg-scripts/shared/engines.mjs";

/** Degrees from 1 to 600, several edges between the same nodes, loops, and ids that are numbers and texts. */
function edges() {
  let state = 1;
  const random = (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const id = (node) => (node % 3 === 0 ? `node ${node}` : String(node * 1000003));
  const weight = () => ["", "\t0.3", "\t2", "\t17.5"][random(4)];
  const lines = Array.from({ length: 9000 }, () => `${id(random(3000))}\t${id(random(1 + random(3000)))}${weight()}\n`);
  const hub = Array.from({ length: 600 }, (_, i) => `${id(1)}\t${id(i * 5)}\n`);
  return [...lines, ...hub].join("");
}

/** The options in the words of the command and of the package. */
const CASES = {
  "the defaults": [[], {}],
  "Neo4j's, 100 dimensions": [
    ["-d", "100", "--weights", "0.5,0,1,1", "--step", "unit", "--finish", "zscore", "--no-centre", "--seed", "42"],
    { dimensions: 100, weights: [0.5, 0, 1, 1], step: "unit", finish: "zscore", centre: false, seed: 42 },
  ],
  "plain sums of a very sparse start, one way": [
    ["--directed", "--weights", "0,1,1", "--beta", "0", "--sparsity", "root", "--raw-powers", "--finish", "sum"],
    { direction: "directed", weights: [0, 1, 1], beta: 0, sparsity: "root", unitPowers: false, finish: "sum" },
  ],
};

const sha256 = (rows) => createHash("sha256").update(new Uint8Array(rows.buffer)).digest("hex");

describe("vectors of a graph's nodes", () => {
  let folder, text;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "nomul-same-vectors-"));
    text = edges();
    await writeFile(join(folder, "edges.tsv"), text);
  });
  after(() => rm(folder, { recursive: true, force: true }));

  const digest = async (engine, words) => {
    const places = [join(folder, "edges.tsv"), "-o", join(folder, "vectors.npy")];
    const { digest } = await commandIn(engine, folder, ["graph", "embed", ...places, "--digest", ...words]);
    return digest;
  };

  for (const [name, [words, options]] of Object.entries(CASES)) {
    describe(name, () => {
      let wanted;
      before(async () => (wanted = await digest("native", [...words, "--threads", "1"])));

      test("native, 2 and 3 threads", async () => {
        assert.match(wanted, /^[0-9a-f]{64}$/);
        for (const threads of ["2", "3"])
          assert.equal(await digest("native", [...words, "--threads", threads]), wanted);
      });

      for (const engine of COMMAND_ENGINES.filter((each) => each !== "native")) {
        test(engine, async () => assert.equal(await digest(engine, words), wanted));
      }

      test("Node", async () => {
        const graph = await embedGraph(text, options);
        try {
          assert.equal(sha256((await graph.integers()).rows), wanted);
        } finally {
          await graph.dispose();
        }
      });

      test("Chromium", async () => {
        const { page, close } = await packageInChromium(folder);
        try {
          const found = await page.evaluate(async (options) => {
            const { embedGraph } = await import("/build/vectors/graph.js");
            const edges = await (await fetch("/model/edges.tsv")).blob();
            const graph = await embedGraph(edges, options);
            const { rows } = await graph.integers();
            const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", rows));
            await graph.dispose();
            return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
          }, options);
          assert.equal(found, wanted);
        } finally {
          await close();
        }
      });
    });
  }

  test("differ where the seed does, so that this test can fail", async () => {
    assert.notEqual(await digest("native", ["--seed", "1"]), await digest("native", ["--seed", "2"]));
    assert.ok((await readFile(join(folder, "vectors.npy"))).length > 128);
  });
});
