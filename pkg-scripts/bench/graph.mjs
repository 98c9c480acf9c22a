// Vectors of graphs: how good they are, and how fast, beside PyPI's fastrp.

import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildPackage } from "../build.mjs";
import { Failure, fromUser, onPath, output, run as runProgram, say } from "../shared/command.mjs";
import { chosenRounds } from "../shared/engines.mjs";
import { nomul, root, userCache } from "../shared/folders.mjs";
import { median, rounded } from "../shared/statistics.mjs";
import { inChromium } from "./graph/browser.mjs";

const PACKAGES = ["numpy==2.4.6", "scipy==1.17.1", "scikit-learn==1.9.1", "fastrp==0.1.1"];

/** What is computed for the comparison: what fastrp computes, of as many signs, and nothing after it. */
const WORDS = ["--weights", "0,1,1", "--raw-powers", "--no-centre", "--finish", "sum", "--beta", "0"];
/** The same in the package. */
const OPTIONS = { weights: [0, 1, 1], unitPowers: false, centre: false, finish: "sum", beta: 0 };

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

/** The files that quality is measured on. */
const FILES = ["blogcatalog", "lastfm"].flatMap((name) => [`${name}.edges.tsv`, `${name}.labels.tsv`]);

/** The folder with edges and labels. */
function dataFolder(data) {
  const place = data ? fromUser(data) : process.env.NOMUL_DATA;
  const folders = place ? [join(place, "graphs"), place] : [];
  const found = folders.find((folder) => FILES.every((file) => existsSync(join(folder, file))));
  if (found) return found;
  throw new Failure(
    `${place ? `${place} does not have` : "--data FOLDER has to name a folder with"} ${FILES.join(", ")}: on each line two ids, or an ` +
      "id and a label. BlogCatalog is example_graphs/blogcatalog.mat (network, group) of github.com/GTmac/FastRP, LastFM " +
      "dataset/node_level/lastfm of github.com/benedekrozemberczki/karateclub. --only speed needs neither.",
  );
}

/** F1 of both, how far the one with floats is ahead, and what the quick search finds of the exact neighbours. */
async function quality(program, folder, temporary, splits, first) {
  const [f1, twin, gap, recall] = [{}, {}, {}, {}];
  const [vectors, ids] = [join(temporary, "vectors.npy"), join(temporary, "ids")];
  for (const name of ["blogcatalog", "lastfm"]) {
    const [edges, labels] = ["edges", "labels"].map((part) => join(folder, `${name}.${part}.tsv`));
    const embedAndScore = async (...words) => {
      await output(nomul, ["graph", "embed", edges, "-o", vectors, "--ids", ids, "-d", "512", ...words, "--json"]);
      // The classifiers share out the cores already.
      const env = { OPENBLAS_NUM_THREADS: "1" };
      return last(await output(program, [script("score.py"), vectors, ids, labels, splits, first], { env }));
    };
    say(`- ${name}, in floats`);
    twin[name] = await embedAndScore("--float");
    say(`- ${name}`);
    f1[name] = await embedAndScore();
    gap[name] = Object.fromEntries(
      Object.entries(twin[name]).map(([score, value]) => [score, Number((value - f1[name][score]).toFixed(2))]),
    );
    recall[name] = last(await output(nomul, ["graph", "neighbors", vectors, "--recall", "500", "--json"])).recall;
  }
  return { f1, f1_float: twin, f1_gap: gap, recall_at_10: recall };
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
    chromium: () => inChromium(temporary, { starts: "starts", targets: "targets" }, OPTIONS),
    "chromium, from edges": () => inChromium(temporary, { from: "from", to: "to" }, OPTIONS),
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
    time_browser_from_edges: over("chromium, from edges", "seconds"),
    memory_browser: over("chromium", "peak"),
  };
  return { graph: { nodes: Number(nodes), stored_edges }, speed: rows, ratios };
}

/** Seconds of the whole command, on one thread: the least of three. */
async function seconds(folder, ...words) {
  const places = [join(folder, "edges.tsv"), "-o", join(folder, "vectors.npy")];
  const times = [];
  for (let i = 0; i < 3; i++) {
    const text = await output(nomul, ["graph", "embed", ...places, ...WORDS, "--threads", "1", ...words, "--json"]);
    times.push(last(text).seconds.all);
  }
  return Math.min(...times);
}

/** The slope of the logarithms of seconds, from the first point to the last. */
function exponent(points, field) {
  const [first, end] = [points[0], points.at(-1)];
  return rounded(Math.log(end.seconds / first.seconds) / Math.log(end[field] / first[field]));
}

/** How seconds grow with stored edges from 1e5 to 1e7, and with dimensions. */
async function scaling(program, temporary) {
  const points = [];
  const dimensions = [];
  for (const edges of [50_000, 500_000, 5_000_000]) {
    say(`- ${2 * edges} stored edges`);
    const made = last(await output(program, [script("speed.py"), "make", temporary, String(edges / 5), String(edges)]));
    points.push({ ...made, seconds: await seconds(temporary) });
    if (edges !== 500_000) continue;
    for (const size of [32, 128, 512]) {
      dimensions.push({ dimensions: size, seconds: await seconds(temporary, "-d", String(size)) });
    }
  }
  return { points, exponent: exponent(points, "stored_edges"), dimensions };
}

async function run({
  data,
  splits = "10",
  "first-split": first = "0",
  nodes = "1000000",
  edges = "5000000",
  rounds,
  only,
}) {
  const times = chosenRounds(rounds);
  const folder = only === "speed" ? undefined : dataFolder(data);
  const program = await python();
  const temporary = await mkdtemp(join(tmpdir(), "nomul-bench-graph-"));
  try {
    const good = only === "speed" ? {} : await quality(program, folder, temporary, splits, first);
    if (only === "quality") return good;
    await buildPackage();
    const fast = await speed(program, temporary, nodes, edges, times);
    return { ...good, ...fast, scaling: await scaling(program, temporary) };
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

const help = `
usage: npm run bench -- graph [--data FOLDER] [--splits N] [--first-split N] [--nodes N] [--edges N] [--rounds N] [--only quality|speed]
                              [--record] [--json]

Quality: F1 on BlogCatalog and LastFM, 512 dimensions, by one-vs-rest logistic regression (scikit-learn), of vectors by shifts and
additions (f1) and of their twin in floats (f1_float). Speed: a random graph with 128 dimensions and two propagations, beside PyPI's
fastrp, which gets the graph as rows in memory; so does Chromium, on one thread, and the command's reading is left out for time_native.
time_native_whole is the whole command, from text to .npy, time_browser_from_edges from arrays of edges. Ratios are nomul's figures over
fastrp's.

  --data FOLDER     with blogcatalog.edges.tsv and so on, or with a folder graphs that has them (default: $NOMUL_DATA)
  --splits N        splits for each part that is learnt from (default: 10)
  --first-split N   the seed of the first of them (default: 0)
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
    "first-split": { type: "string" },
    nodes: { type: "string" },
    edges: { type: "string" },
    rounds: { type: "string" },
    only: { type: "string" },
  },
  run,
};
