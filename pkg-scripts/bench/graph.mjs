// Vectors of graphs: how good they are, and how fast, beside PyPI's fastrp.

import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { buildPackage } from "../build.mjs";
import { Failure, fromUser, onPath, output, run as runProgram, say } from "../shared/command.mjs";
import { chosenRounds } from "../shared/engines.mjs";
import { nomul, root, userCache } from "../shared/folders.mjs";
import { median, rounded } from "../shared/statistics.mjs";
import { inChromium } from "./graph/browser.mjs";

const PACKAGES = ["numpy==2.4.6", "scipy==1.17.1", "scikit-learn==1.9.1", "fastrp==0.1.1"];

/** What is computed for the comparison: what fastrp computes, of as many signs, and nothing after it. */
const WORDS = ["--weights", "0,1,1", "--raw-powers", "--no-centre", "--finish", "sum", "--beta", "0"];
/** The same in the package, which scales and centres powers too. */
const OPTIONS = { weights: [0, 1, 1], finish: "sum", beta: 0 };

/** Python with the packages, in the user's cache; made where it is not there. */
async function python() {
  const folder = join(userCache(), "bench", "graph");
  const program = join(folder, "venv", process.platform === "win32" ? "Scripts/python.exe" : "bin/python");
  const mark = join(folder, `${PACKAGES.join("-")}.complete`);
  if (!existsSync(mark)) {
    const python = onPath("python3", "python");
    if (!python) throw new Failure("no python3: scikit-learn and fastrp need one");
    await mkdir(folder, { recursive: true });
    await runProgram(python, ["-m", "venv", join(folder, "venv")]);
    await runProgram(program, ["-m", "pip", "install", "--quiet", ...PACKAGES]);
    await writeFile(mark, "");
  }
  return program;
}

const last = (text) => JSON.parse(text.trimEnd().split("\n").at(-1));
const script = (name) => join(root, "pkg-scripts", "bench", "graph", name);

/** The folder with edges and labels. */
function dataFolder(data) {
  const places = [data && fromUser(data), process.env.NOMUL_DATA, resolve(root, "..", "shared", "data")].filter(
    Boolean,
  );
  const folders = places.flatMap((place) => [join(place, "graphs"), place]);
  const found = folders.find((folder) => existsSync(join(folder, "blogcatalog.edges.tsv")));
  if (!found) throw new Failure(`no blogcatalog.edges.tsv in ${places.join(" or ")}: name its folder with --data`);
  return found;
}

async function quality(program, folder, temporary, splits) {
  const [f1, twin] = [{}, {}];
  for (const name of ["blogcatalog", "lastfm"]) {
    for (const [scores, words] of [
      [f1, []],
      [twin, ["--float"]],
    ]) {
      say(`- ${name}${words.length > 0 ? ", in floats" : ""}`);
      const [vectors, ids] = [join(temporary, "vectors.npy"), join(temporary, "ids")];
      const edges = join(folder, `${name}.edges.tsv`);
      await output(nomul, ["graph", "embed", edges, "-o", vectors, "--ids", ids, "-d", "512", ...words, "--json"]);
      const labels = join(folder, `${name}.labels.tsv`);
      scores[name] = last(
        // The classifiers share out the cores already.
        await output(program, [script("score.py"), vectors, ids, labels, splits], {
          env: { OPENBLAS_NUM_THREADS: "1" },
        }),
      );
    }
  }
  const found = await output(nomul, [
    "graph",
    "neighbors",
    join(temporary, "vectors.npy"),
    "--recall",
    "500",
    "--json",
  ]);
  return { f1, f1_float: twin, recall_at_10: last(found).recall };
}

async function speed(program, temporary, nodes, edges, rounds) {
  say(`- a random graph of ${nodes} nodes`);
  const { stored_edges } = last(await output(program, [script("speed.py"), "make", temporary, nodes, edges]));
  const native = (threads) => async () => {
    const words = [join(temporary, "edges.tsv"), "-o", join(temporary, "vectors.npy"), ...WORDS, "--threads", threads];
    const result = last(
      await output(program, [script("speed.py"), "run", nomul, "graph", "embed", ...words, "--json"]),
    );
    const { embed, write } = result.seconds;
    return { seconds: embed + write, whole: result.process_seconds, peak: result.peak };
  };
  const engines = {
    fastrp: async () => last(await output(program, [script("speed.py"), "peer", temporary])),
    native: native("2"),
    "native, 1 thread": native("1"),
    chromium: () => inChromium(temporary, OPTIONS),
  };
  const runs = Object.fromEntries(Object.keys(engines).map((name) => [name, []]));
  for (let round = 1; round <= rounds; round++) {
    for (const [name, measure] of Object.entries(engines)) {
      say(`- ${name}, ${round} of ${rounds}`);
      runs[name].push(await measure());
    }
  }
  const middle = (name, field) => median(runs[name].map((run) => run[field]));
  const over = (name, field) => rounded(middle(name, field) / middle("fastrp", field.replace("whole", "seconds")));
  const rows = Object.keys(engines).map((engine) => ({
    engine,
    seconds: rounded(middle(engine, "seconds")),
    whole_seconds: runs[engine][0].whole === undefined ? undefined : rounded(middle(engine, "whole")),
    peak_megabytes: Math.round(middle(engine, "peak") / 1e6),
  }));
  const ratios = {
    time_native: over("native", "seconds"),
    time_native_whole: over("native", "whole"),
    memory_native: over("native", "peak"),
    time_browser: over("chromium", "seconds"),
  };
  return { graph: { nodes: Number(nodes), stored_edges }, speed: rows, ratios };
}

/** Seconds of embedding over stored edges from 1e5 to 1e7: the slope of their logarithms. */
async function scaling(program, temporary) {
  const points = [];
  for (const edges of [50_000, 500_000, 5_000_000]) {
    await output(program, [script("speed.py"), "make", temporary, String(edges / 5), String(edges)]);
    const words = [join(temporary, "edges.tsv"), "-o", join(temporary, "vectors.npy"), ...WORDS, "--threads", "1"];
    const times = [];
    for (let i = 0; i < 3; i++) {
      times.push(last(await output(nomul, ["graph", "embed", ...words, "--json"])).seconds.all);
    }
    points.push({ stored_edges: 2 * edges, seconds: Math.min(...times) });
  }
  const [x, y] = ["stored_edges", "seconds"].map((field) => points.map((point) => Math.log(point[field])));
  return { points, exponent: rounded((y[2] - y[0]) / (x[2] - x[0])) };
}

async function run({ data, splits = "10", nodes = "1000000", edges = "5000000", rounds, only }) {
  const times = chosenRounds(rounds);
  const program = await python();
  const temporary = await mkdtemp(join(tmpdir(), "nomul-bench-graph-"));
  try {
    const good = only === "speed" ? {} : await quality(program, dataFolder(data), temporary, splits);
    if (only === "quality") return good;
    await buildPackage();
    const fast = await speed(program, temporary, nodes, edges, times);
    return { ...good, ...fast, scaling: await scaling(program, temporary) };
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

const help = `
usage: npm run bench -- graph [--data FOLDER] [--splits N] [--nodes N] [--edges N] [--rounds N] [--only quality|speed]
                              [--record] [--json]

Quality: F1 on BlogCatalog and LastFM, 512 dimensions, by one-vs-rest logistic regression (scikit-learn), of vectors by shifts and
additions (f1) and of their twin in floats (f1_float). Speed: a random graph with 128 dimensions and two propagations, beside PyPI's
fastrp, which gets the graph as arrays in memory; so reading and building it is left out for both (but not for Chromium, which gets
arrays of edges), while time_native_whole is the whole command, from text to .npy. Ratios are nomul's figures over fastrp's.

  --data FOLDER     with graphs/blogcatalog.edges.tsv and so on (default: $NOMUL_DATA, or ../shared/data)
  --splits N        splits for each part that is learnt from (default: 10)
  --nodes N         nodes of the random graph (default: 1000000)
  --edges N         its edges, each stored twice (default: 5000000)
  --rounds N        how often each engine is measured (default: 3)
  --only PART       quality or speed alone
  --record          also writes the result to tests/bench/records/
  --json            the last line is one object
`;

export const benchmark = {
  help,
  browser: true,
  options: {
    data: { type: "string" },
    splits: { type: "string" },
    nodes: { type: "string" },
    edges: { type: "string" },
    rounds: { type: "string" },
    only: { type: "string" },
  },
  run,
};
