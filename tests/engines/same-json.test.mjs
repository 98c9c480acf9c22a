// Documents have the same vectors on every engine, and so the same file and the same neighbours.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import * as json from "nomul/json";
import { createVsa } from "nomul/vsa";
import { KINDS, catalogue } from "../../pkg-scripts/bench/json/catalogue.mjs";
import { random } from "../../pkg-scripts/bench/json/draws.mjs";
import { edited } from "../../pkg-scripts/bench/json/edits.mjs";
import { COMMAND_ENGINES, commandIn, packageInChromium } from "../../pkg-scripts/shared/engines.mjs";
import { root } from "../../pkg-scripts/shared/folders.mjs";

/** Beside documents as people have them: everything that a number, a text or a container can be. */
const ODD = [
  '{"a":[1.5,"x",null],"b.c":{"d":true,"e":{}},"f":-1e308,"":[[],[[0]]]}',
  '{"price":5e-324,"at":"2024-02-29T23:59:60+02:00","title":"\\u00fcber \\ud83d\\ude00 ÜBER","tags":["b","a","b"]}',
  '"a text alone"',
  "[]",
  "-0",
  '{"price":"not a number","tags":{"x":1},"title":12}',
];
const DIMENSION = 1000;

const documents = catalogue(1203, 7, KINDS);
const lines = [...documents.map((document) => JSON.stringify(document)), ...ODD].join("\n");
const queries = [5, 404, 1100].map((i) => edited(documents[i], 3, random(i)));
const sha256 = (bytes) => createHash("sha256").update(new Uint8Array(bytes)).digest("hex");

/** What the package gives, in Node and in a page. */
async function ofPackage({ JsonSpace, JsonText }, { lines, queries, dimension }) {
  // As texts: JavaScript writes a negative zero and numbers of many digits in another way than they came.
  const sample = lines.split("\n").map((line) => new JsonText(line));
  const space = await JsonSpace.create({ schema: { dimension, seed: 5 }, sample });
  await space.insertLines(lines);
  const hits = [];
  for (const document of queries) hits.push(await space.search({ document }));
  const file = new Uint8Array(await space.toArrayBuffer());
  await space.dispose();
  return { file: Array.from(file), hits };
}

async function tableOf(createVsa) {
  const found = [];
  for (const model of ["MAP", "BSC", "MBAT"]) {
    const vsa = await createVsa({ model, dimensions: 1156, seed: 7 });
    const names = ["a", "b", "c"].map((name) => vsa.atom(name));
    found.push(...vsa.permute(vsa.hashTable(names, [vsa.atom("x"), ...vsa.random(1), ...vsa.circular(1)]), 5));
  }
  return found;
}

describe("vectors of documents", () => {
  const given = { lines, queries, dimension: DIMENSION };
  let folder, native, chromium;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "nomul-same-"));
    await writeFile(join(folder, "lines"), lines);
    await writeFile(join(folder, "queries"), queries.map((query) => JSON.stringify(query)).join("\n"));
    native = await ofCommand("native");
    chromium = await packageInChromium(root);
  });
  after(async () => {
    await chromium?.close();
    await rm(folder, { recursive: true });
  });

  async function ofCommand(engine) {
    const [at, index] = [(name) => join(folder, name), join(folder, engine)];
    await commandIn(engine, folder, [
      "json",
      "embed",
      at("lines"),
      "-o",
      index,
      "--dimension",
      `${DIMENSION}`,
      "--seed",
      "5",
    ]);
    const { queries: hits } = await commandIn(engine, folder, ["json", "search", index, "--queries", at("queries")]);
    return { file: sha256(await readFile(index)), hits };
  }

  test("native finds what it should", () => {
    assert.deepEqual(
      native.hits.map(([hit]) => hit.id),
      ["6", "405", "1101"],
    );
  });

  for (const engine of COMMAND_ENGINES.filter((engine) => engine !== "native")) {
    test(engine, async () => assert.deepEqual(await ofCommand(engine), native));
  }

  test("Node", async () => {
    const { file, hits } = await ofPackage(json, given);
    assert.deepEqual({ file: sha256(file), hits }, native);
  });

  test("Chromium", async () => {
    const work = `import("/build/vectors/json.js").then((json) => (${ofPackage})(json, ${JSON.stringify(given)}))`;
    const { file, hits } = await chromium.page.evaluate(work);
    assert.deepEqual({ file: sha256(file), hits }, native);
  });

  test("operations of nomul/vsa, in Node and in Chromium", async () => {
    const work = `import("/build/vectors/vsa.js").then(({ createVsa }) => (${tableOf})(createVsa))`;
    const [node, page] = [await tableOf(createVsa), await chromium.page.evaluate(work)];
    assert.deepEqual(page, node);
  });
});
