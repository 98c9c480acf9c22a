// Makes model-tiny/: the checkpoint checkpoints/llama, quantised as `nomul quantize` does by default, on short windows.
// Also writes model-tiny.greedy.json: what the native command makes of a prompt, token by token, which every engine must too,
// and model-tiny.digest.json: a checksum of its scores after each of 512 tokens, likewise.
// Run it after a change to the quantiser or to the format: node tests/golden/model-tiny.mjs

import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { output, run } from "../../pkg-scripts/shared/command.mjs";
import { nomul, root } from "../../pkg-scripts/shared/folders.mjs";
import { setup } from "../../pkg-scripts/setup.mjs";

const golden = join(root, "tests", "golden");

await setup();
await run(nomul, [
  "quantize",
  join(golden, "checkpoints", "llama"),
  "--output",
  join(golden, "model-tiny"),
  "--force",
  ...["--windows", "8", "--window", "64"],
]);

const prompt = "Once upon a time, in a village of 27 houses,";
const words = ["-p", prompt, "-n", "40", "--temperature", "0", "--json"];
const answer = await output(nomul, ["run", join(golden, "model-tiny"), ...words]);
const { prompt_tokens, tokens } = JSON.parse(answer.trimEnd().split("\n").at(-1));
await writeFile(join(golden, "model-tiny.greedy.json"), `${JSON.stringify({ prompt, prompt_tokens, tokens })}\n`);

// Tokens without a pattern; the work and the checksum depend on all of them.
const { vocab_size } = JSON.parse(await readFile(join(golden, "model-tiny", "config.json"), "utf8"));
const ids = Array.from({ length: 512 }, (_, i) => (i * i * 7919 + i * 104729 + 13) % vocab_size);
const scored = await output(nomul, ["digest", join(golden, "model-tiny"), "--ids", ids.join(","), "--json"]);
const { sha256 } = JSON.parse(scored.trimEnd().split("\n").at(-1));
await writeFile(join(golden, "model-tiny.digest.json"), `${JSON.stringify({ ids, sha256 })}\n`);
