// Makes coded.json: planes in their coded form, and their signs, which the page's decoder is held to.
// Run it after a change to the form: node tests/golden/coded.mjs

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { output } from "../../pkg-scripts/shared/command.mjs";
import { root } from "../../pkg-scripts/shared/folders.mjs";

const test = "plane::coded::tests::print_golden";
const words = ["test", "--quiet", "-p", "nomul", "--lib", "--", "--ignored", "--nocapture", "--exact", test];
const printed = await output("cargo", words, { cwd: root });
const json = printed.split("\n").find((line) => line.startsWith("{"));
await writeFile(join(root, "tests", "golden", "coded.json"), `${json}\n`);
