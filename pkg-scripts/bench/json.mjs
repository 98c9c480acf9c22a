// npm run bench -- json: what vectors of JSON documents hold, find and cost, beside other ways of the same size.

import { join } from "node:path";
import { buildPackage } from "../build.mjs";
import { Failure, answer, fromUser, output, run as start, say } from "../shared/command.mjs";
import { packageInChromium } from "../shared/engines.mjs";
import { cache, nomul, root } from "../shared/folders.mjs";
import { nearNumbers, retrieval } from "./json/retrieval.mjs";

// bhv needs a NumPy that takes -1 for an unsigned number.
const PACKAGES = ["torch==2.9.1", "torch-hd==5.8.4", "bhv==1.4.1", "numpy==1.26.4"];
const DIMENSION = 4096;

/** `nomul json WORDS --json`. */
async function command(...words) {
  const text = await output(nomul, ["json", ...words.map(String), "--json"]);
  return JSON.parse(text.trimEnd().split("\n").at(-1));
}

async function capacity(runs) {
  say("- capacity");
  const dimensions = "256,400,576,784,1024,1156";
  const { points } = await command(
    "capacity",
    "--dimension",
    dimensions,
    "--leaves",
    "5,15,25,35,51",
    "--measure",
    runs,
  );
  const gap = ({ recall, measured }) => Math.abs(recall - measured);
  return { runs, candidates: 1000, points, worst_gap: Math.max(...points.map(gap)) };
}

/** A Python with the peers: the one that is named, or one of our own in the user's cache. */
async function python(named) {
  if (named) return fromUser(named);
  const folder = join(cache, "bench-json");
  const own = join(folder, "bin", "python");
  if (answer(own, ["-c", "import torchhd"]) === undefined) {
    say("- installing the peers from PyPI (large, once; --python names one that has them)");
    await start("python3", ["-m", "venv", folder]);
    await start(own, ["-m", "pip", "install", "--quiet", ...PACKAGES]);
  }
  return own;
}

async function throughput(named, rounds) {
  say("- throughput");
  const executable = await python(named);
  const script = join(root, "pkg-scripts", "bench", "json", "peers.py");
  const ours = [];
  const peers = [];
  for (let round = 0; round < rounds; round++) {
    ours.push(await command("bench", "--seconds", "0.5"));
    peers.push(JSON.parse(await output(executable, [script, "10000", "10", "10", "0.5"])));
  }
  const best = (rows, pick) => Math.max(...rows.map(pick));
  const names = Object.keys(peers[0]).filter((name) => typeof peers[0][name] === "number");
  const structures = {
    "nomul MBAT": best(ours, (row) => row.structures_per_second.mbat),
    "nomul MAP": best(ours, (row) => row.structures_per_second.map),
    "nomul BSC": best(ours, (row) => row.structures_per_second.bsc),
    ...Object.fromEntries(names.map((name) => [name, best(peers, (row) => row[name])])),
  };
  return {
    dimension: 10_000,
    pairs: 10,
    candidates: 10,
    versions: peers[0].versions,
    structures_per_second: structures,
    native_documents_per_second: best(ours, (row) => row.documents_per_second),
  };
}

const mean = (numbers) => numbers.reduce((a, b) => a + b, 0) / numbers.length;

/** Rows of `retrieval`, and of these the figures for two edited fields, over all kinds. */
async function found(count, asked) {
  const given = { command, count, asked, dimension: DIMENSION };
  const rows = await retrieval(given);
  const two = rows.filter((row) => row.edited_fields === 2);
  const names = Object.keys(two[0]).filter((name) => two[0][name].neighbours !== undefined);
  const over = (what) => Object.fromEntries(names.map((name) => [name, mean(two.map((row) => row[name][what]))]));
  const [{ nomul: recall, ...baselines }, { nomul: original, ...others }] = [over("neighbours"), over("original")];
  return {
    documents: count,
    queries: asked,
    bytes: DIMENSION / 8,
    // The share of the ten true neighbours that are among the first ten, and how often the original is.
    recall_at_10: recall,
    baselines,
    original_at_10: original,
    baselines_original_at_10: others,
    kinds: rows,
    off_by_5_beats_off_by_50: await nearNumbers({ ...given, count: Math.min(count, 10_000), asked: 100 }),
  };
}

/** Documents of twenty leaves, from text to an index in the worker of the package. */
async function encodeInChromium() {
  say("- encoding in Chromium");
  await buildPackage();
  const { page, close } = await packageInChromium(root);
  try {
    return await page.evaluate(async () => {
      const { JsonSpace } = await import("/build/vectors/json.js");
      const document = (i) => ({
        name: `item number ${i}`,
        brand: `b${i % 40}`,
        category: `c${i % 7}`,
        price: (i * 37) % 1000,
        weight: ((i * 53) % 700) / 10,
        rating: (i % 41) / 10 + 1,
        reviews: (i * i) % 5000,
        stock: i % 300,
        sale: i % 3 === 0,
        since: `20${String(10 + (i % 15))}-0${(i % 9) + 1}-15`,
        colour: `k${i % 9}`,
        size: { width: (i % 80) + 20, depth: (i % 60) + 10, height: (i % 150) + 5 },
        tags: [`t${i % 3}`, `u${i % 5}`, `v${i % 7}`],
        maker: { country: `m${i % 30}`, code: i % 97, since: null },
      });
      const documents = Array.from({ length: 20_000 }, (_, i) => document(i));
      const lines = documents.map((each) => JSON.stringify(each)).join("\n");
      let best = 0;
      for (let round = 0; round < 3; round++) {
        const space = await JsonSpace.create({ schema: { dimension: 4096 }, sample: documents.slice(0, 1000) });
        await space.insertLines(lines.slice(0, lines.indexOf("\n")));
        await space.remove("1");
        const began = performance.now();
        await space.insertLines(lines);
        best = Math.max(best, documents.length / ((performance.now() - began) / 1000));
        await space.dispose();
      }
      return best;
    });
  } finally {
    await close();
  }
}

async function run({ python: named = process.env.NOMUL_PYTHON, runs = "500", documents = "100000", queries = "200" }) {
  const number = (text, what) => {
    if (!/^[1-9]\d{0,6}$/.test(text)) throw new Failure(`${what} has to be a number over 0`);
    return Number(text);
  };
  const held = await capacity(number(runs, "--runs"));
  const retrieved = await found(number(documents, "--documents"), number(queries, "--queries"));
  const inChromium = await encodeInChromium();
  const { structures_per_second: speeds, ...speed } = await throughput(named, 3);
  const over = (own, peer) => speeds[`nomul ${own}`] / speeds[peer];
  const ratios = {
    // The slower of the two, so that both are at least this.
    throughput_torchhd: Math.min(over("MAP", "torchhd MAP int8"), over("BSC", "torchhd BSC")),
    throughput_torchhd_map: over("MAP", "torchhd MAP int8"),
    throughput_torchhd_bsc: over("BSC", "torchhd BSC"),
    mbat_over_torchhd_map: over("MBAT", "torchhd MAP int8"),
    ...(speeds["bhv packed"] && { throughput_bhv: over("BSC", "bhv packed") }),
  };
  return {
    capacity: held,
    retrieval: retrieved,
    throughput: { ...speed, structures_per_second: speeds },
    encode: { dimension: 4096, leaves: 20, chromium_documents_per_second: inChromium },
    ratios,
  };
}

const help = `
usage: npm run bench -- json [--python EXE] [--runs N] [--documents N] [--queries N]
                           [--record] [--json]

Vectors of JSON documents: how much they hold against theory, whether documents are found by copies with two (and four) of
ten fields edited, beside hashed bags of the same size in bytes, and how fast they are beside torchhd and bhv on one
thread. The documents are generated, a catalogue for each kind: products, events, visits, people, weather, readings of
machines, in families of 200 whose members share most fields. Every document that is asked for has nine copies with two
edited fields; with itself these are the ten true neighbours of a query, which is a tenth copy. Edits are spelling errors,
changed words, reordered lists, missing fields, and numbers moved by up to ten per cent.

  --python EXE      a Python that has torch-hd and bhv (default: $NOMUL_PYTHON, else one in the user's cache)
  --runs N          bundles for each point of the capacity (default: 500)
  --documents N     documents of each kind (default: 100000)
  --queries N       queries of each kind (default: 200)
  --record          also writes the result to tests/bench/records/
  --json            the last line is one object
`;

export const benchmark = {
  help,
  options: {
    python: { type: "string" },
    runs: { type: "string" },
    documents: { type: "string" },
    queries: { type: "string" },
  },
  browser: true,
  run,
};
