// Makes tiny/: the checkpoint ../checkpoints/bert, quantised by `nomul quantize` so that it comes in levels, and
// tiny.json: the vectors that the native command makes of some texts, which every engine must make too.
// Run it after a change to the quantiser or to the format: node tests/golden/encoder/model.mjs

import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { output, run } from "../../../pkg-scripts/shared/command.mjs";
import { nomul, root } from "../../../pkg-scripts/shared/folders.mjs";
import { setup } from "../../../pkg-scripts/setup.mjs";

const golden = join(root, "tests", "golden");
const tiny = join(golden, "encoder", "tiny");

if (!process.env.NOMUL) await setup();
const program = process.env.NOMUL ?? nomul;
const checkpoint = join(golden, "checkpoints", "bert");
const settings = ["--windows", "64", "--table-planes", "4", "--start-bits", "2.9"];
await run(program, ["quantize", checkpoint, "--output", tiny, "--force", ...settings]);

const texts = JSON.parse(await readFile(join(golden, "encoder", "bert.json"), "utf8")).map(({ text }) => text);
const words = texts.flatMap((text) => ["-p", text]);
const made = await output(program, ["embed", tiny, ...words, "--json"]);
const { vectors } = JSON.parse(made.trimEnd().split("\n").at(-1));
const rows = texts.map((text, place) => JSON.stringify({ text, vector: vectors[place] }));
await writeFile(join(golden, "encoder", "tiny.json"), `[\n${rows.join(",\n")}\n]\n`);
