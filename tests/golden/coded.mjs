// Makes coded.json: planes in their coded form, and their signs, which the page's decoder is held to.
// Run it after a change to the form: node tests/golden/coded.mjs

import { spawnSync } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { root } from "../../pkg-scripts/shared/folders.mjs";

// The test prints what it compares; that it fails is why one is here.
const test = "plane::coded::tests::the_coded_form_is_what_the_page_reads";
const words = ["test", "--quiet", "-p", "nomul", "--lib", "--", "--nocapture", "--exact", test];
const { stdout } = spawnSync("cargo", words, { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", 2] });
const json = stdout.split("\n").find((line) => line.startsWith("{"));
if (json === undefined) throw new Error(`${test} printed nothing`);
await writeFile(join(root, "tests", "golden", "coded.json"), `${json}\n`);
