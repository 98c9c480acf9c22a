// A sentence encoder in the package: vectors to the bit, and what it refuses.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { load } from "nomul";
import { encoderFolder, failsWith, folder } from "./support/model.mjs";

/** What the native command makes of some texts: `[{ text, vector }]`. */
const golden = JSON.parse(await readFile(new URL("../../../tests/golden/encoder/tiny.json", import.meta.url), "utf8"));
const texts = golden.map(({ text }) => text);

let model;
before(async () => (model = await load(encoderFolder)));
after(() => model.dispose());

test("vectors are those of the native command, bit for bit, one by one and all at once", async () => {
  const all = await model.embed(texts);
  for (const [place, { text, vector }] of golden.entries()) {
    assert.deepEqual(all[place], Float32Array.from(vector), text);
    assert.deepEqual(await model.embed(text), all[place], text);
  }
  assert.deepEqual(await model.embed([]), []);
});

test("they are of length one, or as long as the model leaves them", async () => {
  const [unit, raw] = await Promise.all([true, false].map((normalize) => model.embed(texts[0], { normalize })));
  const length = Math.hypot(...raw);
  assert.ok(Math.abs(Math.hypot(...unit) - 1) < 1e-4 && length > 1.5, String(length));
  unit.forEach((x, place) => assert.ok(Math.abs(x - raw[place] / length) < 1e-4));
});

test("token ids are used as they are; texts are cut, ids are not", async () => {
  const ids = await model.tokenize(texts[0], { addSpecial: true });
  assert.deepEqual(await model.embed(ids), Float32Array.from(golden[0].vector));
  const long = "river ".repeat(100);
  assert.equal((await model.embed(long)).length, 96);
  await failsWith("capacity", model.embed(await model.tokenize(long)));
  await failsWith("input", model.embed([263]));
  await failsWith("input", model.embed(["a", 1]));
  await failsWith("input", model.embed(texts, { normalise: true }));
});

test("progress counts tokens of a text, and texts of several", async () => {
  const told = [];
  await model.embed(texts.slice(0, 3), { onProgress: (done, total) => told.push([done, total]) });
  assert.deepEqual(told, [
    [1, 3],
    [2, 3],
    [3, 3],
  ]);
  await model.embed(texts[0], { onProgress: (done, total) => told.push(done === total) });
  assert.equal(told.at(-1), true);
});

test("an abort ends a batch, and the model goes on", async () => {
  const controller = new AbortController();
  const many = Array.from({ length: 500 }, (_, place) => `text number ${place}`);
  const batch = model.embed(many, {
    signal: controller.signal,
    onProgress: (done) => done === 3 && controller.abort(),
  });
  await assert.rejects(batch, { name: "AbortError" });
  assert.deepEqual(await model.embed(texts[1]), Float32Array.from(golden[1].vector));
});

test("it says what it is, and what it is made of", async () => {
  assert.equal(model.info.kind, "encoder");
  assert.equal(model.info.contextLength, 24);
  const matrices = await model.inspect();
  assert.equal(matrices.length, 2 + 2 * 6);
  assert.deepEqual(
    matrices.filter(({ kind }) => ["embedding", "positions"].includes(kind)).map(({ name, rows }) => [name, rows]),
    [
      ["embeddings.word_embeddings", 263],
      ["embeddings.position_embeddings", 64],
    ],
  );
  assert.equal(matrices.find(({ kind }) => kind === "o").name, "encoder.layer.0.attention.output.dense");
  assert.equal(await model.detokenize([2, 3]), "[CLS] [SEP]");
});

test("fewer planes give other vectors", async () => {
  await model.setPlanes(1);
  assert.notDeepEqual(await model.embed(texts[0]), Float32Array.from(golden[0].vector));
  await model.setPlanes(undefined);
  assert.deepEqual(await model.embed(texts[0]), Float32Array.from(golden[0].vector));
});

/** The second part of a stream: the first one of a chat only says who speaks. */
async function second(parts) {
  await parts.next();
  return parts.next();
}

test("what is about answers is refused, and nothing else happens", async () => {
  const messages = [{ role: "user", content: "Hello!" }];
  const calls = [
    model.chat({ messages }),
    second(model.chat({ messages, stream: true })),
    second(model.complete({ prompt: "Hello", stream: true })),
    model.complete({ prompt: "Hello" }),
    model.logits([1]),
    model.perplexity("a text"),
    model.saveState(),
    model.loadState(new ArrayBuffer(1)),
    model.fork(),
  ];
  const errors = await Promise.all(calls.map((call) => failsWith("unsupported", call)));
  for (const { message } of errors) assert.match(message, /sentence encoder/);
  assert.equal((await model.stats()).cached_tokens, 0);
  assert.deepEqual(await model.embed(texts[2]), Float32Array.from(golden[2].vector));
});

test("a model that writes embeds several texts too", async () => {
  const other = await load(folder);
  try {
    assert.equal(other.info.kind, "decoder");
    const [first, second] = await other.embed(["a king", "a queen"]);
    assert.deepEqual(await other.embed("a king"), first);
    assert.deepEqual(await other.embed("a queen"), second);
  } finally {
    await other.dispose();
  }
});
