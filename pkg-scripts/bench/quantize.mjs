// What it takes to quantise the default model.

import { spawn } from "node:child_process";
import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defaultCheckpoint } from "../shared/checkpoint.mjs";
import { Failure, fromUser, say } from "../shared/command.mjs";
import { nomul } from "../shared/folders.mjs";
import { peakMemory } from "../shared/memory.mjs";
import { rounded } from "../shared/statistics.mjs";

/** Runs a program to its end; seconds, and the most memory that it took (null where the system does not tell). */
function watched(program, words) {
  return new Promise((done, failed) => {
    const began = performance.now();
    const child = spawn(program, words, { stdio: ["ignore", "ignore", 2] });
    let peak;
    // The system keeps the peak itself, so only what comes in the last moments can be missed.
    const look = setInterval(() => (peak = peakMemory(child.pid) ?? peak), 50);
    child.on("error", (error) => failed(new Failure(`${program}: ${error.message}`)));
    child.on("close", (status, signal) => {
      clearInterval(look);
      const seconds = rounded((performance.now() - began) / 1000);
      if (status === 0) done({ seconds, peak_memory_bytes: peak ?? null });
      else failed(new Failure(`${program} ${words[0]}: ended with ${signal ?? `status ${status}`}`));
    });
  });
}

async function folderSize(folder) {
  const sizes = (await readdir(folder)).map(async (name) => (await stat(join(folder, name))).size);
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}

async function run({ from, bits = "3.0,4.0" }) {
  const checkpoint = from ? fromUser(from) : await defaultCheckpoint();
  const folder = await mkdtemp(join(tmpdir(), "nomul-quantize-"));
  const rows = [];
  try {
    for (const each of bits.split(",")) {
      say(`- ${each} bits`);
      const made = join(folder, each);
      const taken = await watched(nomul, ["quantize", checkpoint, "-o", made, "--bits", each]);
      rows.push({ bits: Number(each), ...taken, folder_bytes: await folderSize(made) });
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return { checkpoint, rows };
}

const help = `
usage: npm run bench -- quantize [--from CHECKPOINT] [--bits LIST] [--record] [--json]

Seconds and the peak of memory (resident set; Linux) that nomul quantize takes, with the command's own defaults.

  --from CHECKPOINT   a GGUF file or a folder (default: the checkpoint of the default model)
  --bits LIST         bits a weight, separated by commas (default: 3.0,4.0)
  --record            also writes the result to tests/bench/records/
  --json              the last line is one object
`;

export const benchmark = { help, options: { from: { type: "string" }, bits: { type: "string" } }, run };
