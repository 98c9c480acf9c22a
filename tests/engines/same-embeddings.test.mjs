// The same encoder and texts give the same vectors on every engine, bit for bit.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { COMMAND_ENGINES, command, inChromium, inNode } from "../../pkg-scripts/shared/engines.mjs";
import { root } from "../../pkg-scripts/shared/folders.mjs";
import { CHROMIUM_LOADS, NODE_LOADS } from "./loads.mjs";

const folder = join(root, "tests", "golden", "encoder", "tiny");
const golden = JSON.parse(await readFile(join(root, "tests", "golden", "encoder", "tiny.json"), "utf8"));
const texts = golden.map(({ text }) => text);
const expected = golden.map(({ vector }) => vector);

/** Vectors as they are in the golden file: the shortest numbers that are the same floats. */
const same = (vectors) => assert.deepEqual(vectors.map(floats), expected.map(floats));
const floats = (vector) => [...Float32Array.from(vector)];

describe("vectors of texts", () => {
  for (const engine of COMMAND_ENGINES) {
    test(engine, async () => {
      const words = texts.flatMap((text) => ["-p", text]);
      same((await command(engine, "embed", folder, words)).vectors);
    });
  }

  for (const threads of [1, 2, 3]) {
    test(`native, ${threads} threads`, async () => {
      const words = [...texts.flatMap((text) => ["-p", text]), "--threads", `${threads}`];
      same((await command("native", "embed", folder, words)).vectors);
    });
  }

  for (const options of NODE_LOADS) {
    test(`Node, ${options.build}, threads: ${options.threads}`, async () => {
      same(await inNode(folder, options, (model) => model.embed(texts)));
    });
  }

  for (const options of CHROMIUM_LOADS) {
    test(`Chromium, ${options.build}, threads: ${options.threads}`, async () => {
      const work = async (model, texts) => (await model.embed(texts)).map((vector) => [...vector]);
      same(await inChromium(folder, options, texts, work));
    });
  }
});
