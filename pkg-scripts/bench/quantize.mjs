// What it takes to quantise the default model, and what the results are worth, all of them and what arrives first.

import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defaultCheckpoint } from "../shared/checkpoint.mjs";
import { Failure, fromUser, output, say } from "../shared/command.mjs";
import { command } from "../shared/engines.mjs";
import { folderSize } from "../shared/folder-size.mjs";
import { nomul } from "../shared/folders.mjs";
import { peakMemory } from "../shared/memory.mjs";
import { rounded } from "../shared/statistics.mjs";

/** What is handed on to nomul quantize as it is. */
const SETTINGS = ["spacing", "allocation", "table-planes", "effort", "adapt", "tuning", "calibration"];

/** Runs a program to its end; what its last line says, seconds, and the most memory that it took (null where the system does not tell). */
function watched(program, words) {
  return new Promise((done, failed) => {
    const began = performance.now();
    const child = spawn(program, words, { stdio: ["ignore", "pipe", 2] });
    let [text, peak] = [""];
    child.stdout.setEncoding("utf8").on("data", (part) => (text += part));
    // The system keeps the peak itself, so only what comes in the last moments can be missed.
    const look = setInterval(() => (peak = peakMemory(child.pid) ?? peak), 50);
    child.on("error", (error) => failed(new Failure(`${program}: ${error.message}`)));
    child.on("close", (status, signal) => {
      clearInterval(look);
      const seconds = rounded((performance.now() - began) / 1000);
      if (status === 0)
        done([JSON.parse(text.trimEnd().split("\n").at(-1)), { seconds, peak_memory_bytes: peak ?? null }]);
      else failed(new Failure(`${program} ${words[0]}: ended with ${signal ?? `status ${status}`}`));
    });
  });
}

/** Bits a weight of the matrices of the blocks, planes and scales counted, and of the tables. */
export function bitsOf(matrices) {
  const isTable = ({ name }) => /embed|head/.test(name);
  const bits = (some) => {
    const sum = (of) => some.reduce((total, matrix) => total + of(matrix), 0);
    return rounded((8 * sum(({ bytes }) => bytes)) / sum(({ rows, columns }) => rows * columns));
  };
  const [tables, blocks] = [matrices.filter(isTable), matrices.filter((matrix) => !isTable(matrix))];
  return { block_bits: bits(blocks), table_bits: tables.length > 0 ? bits(tables) : null };
}

/** The bytes that have arrived with the base and each of the levels. */
export function arrived(shards) {
  let bytes = shards[0].bytes;
  return shards.slice(1).map((shard) => (bytes += shard.bytes));
}

/** Perplexity of a model folder with its first levels, for each number of these. */
async function curve(folder, reference, asked) {
  const index = JSON.parse(await readFile(join(folder, "model.safetensors.index.json"), "utf8"));
  const rows = [];
  for (const [at, bytes] of arrived(index.metadata.shards).entries()) {
    const levels = at + 1;
    say(`  ${levels} of ${index.metadata.shards.length - 1} levels`);
    const { perplexity } = await command("native", "perplexity", folder, ["--planes", `${levels}`, ...asked]);
    rows.push({ levels, bytes, perplexity, over_full: rounded(perplexity / reference) });
  }
  return rows;
}

/** Perplexity of a checkpoint in full precision. */
async function fullPrecision(checkpoint, asked) {
  const text = await output(nomul, ["perplexity", checkpoint, ...asked, "--json"]);
  return JSON.parse(text.trimEnd().split("\n").at(-1)).perplexity;
}

async function run({ from, bits = "default", whole, calibration, text, windows = "12", ...settings }) {
  if (!/^[1-9]\d*$/.test(windows)) throw new Failure("--windows has to be a number over 0");
  const checkpoint = from ? fromUser(from) : await defaultCheckpoint();
  const asked = text ? ["--text", fromUser(text), "--windows", windows] : null;
  const full_precision = asked ? await fullPrecision(checkpoint, asked) : null;
  const folder = await mkdtemp(join(tmpdir(), "nomul-quantize-"));
  const [rows, levels] = [[], []];
  try {
    for (const each of bits.split(",")) {
      say(`- ${each} bits`);
      const made = join(folder, each);
      const budget = each === "default" ? [] : ["--bits", each];
      // As many planes at the start as in the end: one set of scales, fitted for nothing else.
      if (whole) budget.push("--start-bits", "8", "--start-table-planes", "8");
      const given = { ...settings, calibration: calibration && fromUser(calibration) };
      const asIs = SETTINGS.flatMap((name) => (given[name] === undefined ? [] : [`--${name}`, given[name]]));
      const words = ["quantize", checkpoint, "-o", made, "--json", ...budget, ...asIs];
      const [report, taken] = await watched(nomul, words);
      const { matrices } = await command("native", "inspect", made, []);
      const of = asked ? await curve(made, full_precision, asked) : [];
      const { perplexity = null, over_full = null } = of.at(-1) ?? {};
      const folder_bytes = await folderSize(made);
      const kendall_tau = report.kendall_tau && rounded(report.kendall_tau);
      rows.push({ bits: each, ...bitsOf(matrices), kendall_tau, perplexity, over_full, ...taken, folder_bytes });
      levels.push(...of.map((row) => ({ bits: each, ...row })));
      await rm(made, { recursive: true });
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return { checkpoint, full_precision, rows, levels };
}

const help = `
usage: npm run bench -- quantize [--from CHECKPOINT] [--bits LIST] [--spacing WORD] [--allocation WORD]
                                 [--table-planes N] [--effort NAME] [--adapt N] [--tuning N]
                                 [--calibration FILE] [--whole] [--text FILE [--windows N]]
                                 [--record] [--json]

Seconds and the peak of memory (resident set; Linux) that nomul quantize takes, and how well it foresaw what matrices
lose (Kendall's tau); with a text, also the perplexity of
what it makes, whole and with the levels that arrive first, over that of the checkpoint.

  --from CHECKPOINT   a GGUF file or a folder (default: the checkpoint of the default model)
  --bits LIST         planes a weight (with --spacing even bits as they are coded), separated by commas, or "default",
                      the command's own (default: default)
  --spacing free|even, --allocation measured|uniform, --table-planes N, --effort NAME, --adapt N, --tuning N,
  --calibration FILE  as in nomul quantize, whose defaults hold where they are left out
  --whole             no first level of fewer planes: all come at once, and are fitted for that alone
  --text FILE         what perplexity is measured on, e.g. the test text of WikiText-2 (default: it is not measured)
  --windows N         windows of 1,024 tokens of it (default: 12)
  --record            also writes the result to tests/bench/records/
  --json              the last line is one object
`;

const string = { type: "string" };
export const benchmark = {
  help,
  options: {
    from: string,
    bits: string,
    ...Object.fromEntries(SETTINGS.map((name) => [name, string])),
    whole: { type: "boolean" },
    text: string,
    windows: string,
  },
  run,
};
