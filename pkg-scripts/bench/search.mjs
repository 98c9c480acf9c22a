// The index of vectors: milliseconds a query beside a plain sweep over as much memory, and how many of the true neighbours
// a search in two stages finds.

import { buildPackage } from "../build.mjs";
import { Failure, output, say } from "../shared/command.mjs";
import { chosenRounds, packageInChromium } from "../shared/engines.mjs";
import { root } from "../shared/folders.mjs";
import { median } from "../shared/statistics.mjs";

const BITS = 1024;
const NEIGHBOURS = 10;

/** What the recall is measured on: vectors around centres, and queries around the same centres. */
const CLUSTERED = [
  { kind: "i8", dimensions: 128, vectors: 100_000, clusters: 1000 },
  { kind: "i8", dimensions: 256, vectors: 100_000, clusters: 1000 },
  { kind: "i8", dimensions: 1024, vectors: 20_000, clusters: 200 },
];
const QUERIES = 200;

async function run({ vectors = "1000000", rounds = "9", skip }) {
  if (skip !== undefined && skip !== "recall") throw new Failure("--skip takes recall alone");
  if (!/^[1-9]\d{0,7}$/.test(vectors)) throw new Failure("--vectors has to be a number from 1 to 99999999");
  const count = Number(vectors);
  const times = chosenRounds(rounds);
  await buildPackage();
  const speed = [];
  say(`- native, ${count} vectors of ${BITS} bits`);
  const words = ["run", "--quiet", "--release", "-p", "nomul", "--example", "search", "--"];
  speed.push({ engine: "native", ...JSON.parse(await output("cargo", [...words, count, BITS, times].map(String))) });
  say(`- Chromium, ${count} vectors of ${BITS} bits`);
  speed.push({ engine: "chromium", ...(await inChromium(count, times)) });
  for (const row of speed) row.search_over_sweep = row.search_ms / row.sweep_ms;
  return {
    vectors: count,
    bits: BITS,
    k: NEIGHBOURS,
    speed,
    recall: skip === "recall" ? [] : await recalls(),
    ratios: Object.fromEntries(
      speed.map(({ engine, search_over_sweep }) => [`${engine}_search_over_sweep`, search_over_sweep]),
    ),
  };
}

/** Searches and sweeps in turn, on one thread of the browser each. */
async function inChromium(vectors, rounds) {
  const { default: binaryen } = await import("binaryen");
  const module = binaryen.parseText(sweeper(vectors * (BITS / 8)));
  module.setFeatures(binaryen.Features.SIMD128);
  if (!module.validate()) throw new Failure("the sweep is no WebAssembly");
  const sweep = [...module.emitBinary()];
  const { page, close } = await packageInChromium(root);
  try {
    const found = await page.evaluate(
      async ({ vectors, bits, k, rounds, sweep }) => {
        const { VectorIndex } = await import("/build/vectors/search.js");
        const bytes = bits / 8;
        const random = (count) => {
          const values = new Uint8Array(count);
          for (let at = 0; at < count; at += 65_536) crypto.getRandomValues(values.subarray(at, at + 65_536));
          return values;
        };
        const index = await VectorIndex.create({ kind: "signs", dimensions: bits });
        const step = 1 << 15;
        for (let key = 0; key < vectors; key += step) {
          const keys = Array.from({ length: Math.min(step, vectors - key) }, (_, i) => key + i);
          await index.insert(keys, random(keys.length * bytes));
        }
        const { instance } = await WebAssembly.instantiate(new Uint8Array(sweep));
        // Memory that was never written to is one page of zeros, many times over.
        new Uint8Array(instance.exports.memory.buffer).fill(1);
        const timed = async (work) => {
          const began = performance.now();
          await work();
          return performance.now() - began;
        };
        const searches = [];
        const sweeps = [];
        const batches = [];
        instance.exports.sweep();
        await index.search(random(bytes), { k });
        for (let round = 0; round < rounds; round++) {
          const query = random(bytes);
          searches.push(await timed(() => index.search(query, { k })));
          sweeps.push(await timed(() => instance.exports.sweep()));
          const queries = random(16 * bytes);
          batches.push((await timed(() => index.searchMany(queries, { k }))) / 16);
        }
        const { memory } = await index.info();
        await index.dispose();
        return { searches, sweeps, batches, memory };
      },
      { vectors, bits: BITS, k: NEIGHBOURS, rounds, sweep },
    );
    return {
      search_ms: median(found.searches),
      sweep_ms: median(found.sweeps),
      search_of_16_at_once_ms: median(found.batches),
      index_megabytes: found.memory / 1e6,
    };
  } finally {
    await close();
  }
}

/** A module whose one function adds up so many bytes of its memory, 64 at a time. */
const sweeper = (bytes) => `
(module
  (memory (export "memory") ${Math.ceil(bytes / 65_536)})
  (func (export "sweep") (result i64)
    (local $at i32) (local $a v128) (local $b v128) (local $c v128) (local $d v128)
    (loop $next
      (local.set $a (i64x2.add (local.get $a) (v128.load offset=0 (local.get $at))))
      (local.set $b (i64x2.add (local.get $b) (v128.load offset=16 (local.get $at))))
      (local.set $c (i64x2.add (local.get $c) (v128.load offset=32 (local.get $at))))
      (local.set $d (i64x2.add (local.get $d) (v128.load offset=48 (local.get $at))))
      (local.set $at (i32.add (local.get $at) (i32.const 64)))
      (br_if $next (i32.lt_u (local.get $at) (i32.const ${Math.floor(bytes / 64) * 64}))))
    (i64x2.extract_lane 0
      (i64x2.add
        (i64x2.add (local.get $a) (local.get $b))
        (i64x2.add (local.get $c) (local.get $d))))))
`;

/** The share of the true neighbours that a search in two stages finds, by the package in this Node. */
async function recalls() {
  const { VectorIndex } = await import("nomul/search");
  const rows = [];
  for (const { kind, dimensions, vectors, clusters } of CLUSTERED) {
    say(`- recall, ${vectors} vectors of ${dimensions} numbers in ${clusters} clusters`);
    const random = generator(dimensions);
    const centres = Float32Array.from({ length: clusters * dimensions }, random.normal);
    // As far from the centre as the centres are from zero; the scale keeps nearly all of it within a byte.
    const around = (count) => {
      const numbers = new Int8Array(count * dimensions);
      for (let i = 0; i < count; i++) {
        const centre = Math.floor(random.uniform() * clusters) * dimensions;
        for (let d = 0; d < dimensions; d++) {
          const number = Math.round(28 * (centres[centre + d] + random.normal()));
          numbers[i * dimensions + d] = Math.max(-127, Math.min(127, number));
        }
      }
      return numbers;
    };
    const index = await VectorIndex.create({ kind, dimensions });
    await index.insert(
      Array.from({ length: vectors }, (_, key) => key),
      around(vectors),
    );
    const queries = around(QUERIES);
    const timed = async (candidates) => {
      const began = performance.now();
      const found = await index.searchMany(queries, { k: NEIGHBOURS, candidates });
      return { found, ms: (performance.now() - began) / QUERIES };
    };
    const exact = await timed(0);
    for (const candidates of [100, undefined, 1000]) {
      const quick = await timed(candidates);
      const hits = quick.found.map((found, i) => {
        const wanted = new Set(exact.found[i].map(({ key }) => key));
        return found.filter(({ key }) => wanted.has(key)).length;
      });
      rows.push({
        kind,
        dimensions,
        vectors,
        candidates: candidates ?? "default",
        recall_at_10: hits.reduce((sum, hit) => sum + hit, 0) / (QUERIES * NEIGHBOURS),
        two_stage_ms: quick.ms,
        exact_ms: exact.ms,
      });
    }
    await index.dispose();
  }
  return rows;
}

/** A small generator (mulberry32), so that every run has the same vectors. */
function generator(seed) {
  let state = seed;
  const uniform = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const normal = () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
  return { uniform, normal };
}

const help = `
usage: npm run bench -- search [--vectors N] [--rounds N] [--skip recall] [--record] [--json]

The index of vectors. First the time of a query among N vectors of ${BITS} bits, natively and in Chromium, on one thread
each, beside a plain sweep over as much memory by the same engine, in turn. Then, on vectors in clusters, the share of
the true ${NEIGHBOURS} neighbours that a search in two stages finds, with the default candidates and with others.

  --vectors N     how many (default: 1000000)
  --rounds N      how often each is timed; the median counts (default: 9)
  --skip recall   the times alone
  --record        also writes the result to tests/bench/records/
  --json          the last line is one object
`;

export const benchmark = {
  help,
  browser: true,
  options: { vectors: { type: "string" }, rounds: { type: "string" }, skip: { type: "string" } },
  run,
};
