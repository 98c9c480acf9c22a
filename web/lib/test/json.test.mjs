// Documents as vectors, in Node.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { JsonSpace, JsonText } from "nomul/json";
import { failsWith } from "./support/model.mjs";

const USA = { country: "USA", money: { name: "dollar", code: "USD" }, people: 331, seas: ["Atlantic", "Pacific"] };
const MEXICO = { country: "Mexico", money: { name: "peso", code: "MXN" }, people: 126, seas: ["Atlantic", "Pacific"] };
const CHAD = { country: "Chad", money: { name: "franc", code: "XAF" }, people: 17, seas: [] };

describe("a space", () => {
  let space, folder;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "nomul-json-"));
    space = await JsonSpace.create({ sample: [USA, MEXICO, CHAD] });
    await space.insert([
      ["usa", USA],
      ["mexico", MEXICO],
      ["chad", CHAD],
    ]);
  });
  after(async () => {
    await space.dispose();
    await rm(folder, { recursive: true });
  });

  test("says what it is", async () => {
    const { identity, schema, size } = await space.info();
    assert.match(identity, /^nomul-json\/1\/4096\//);
    assert.equal(schema.paths.people.number.mode, "linear");
    assert.equal(size, 3);
  });

  test("compares, searches and filters", async () => {
    const near = await space.similarity({ id: "usa" }, { id: "mexico" });
    assert.ok(near > (await space.similarity({ id: "usa" }, { document: CHAD })) + 0.05);
    assert.ok(Math.abs((await space.similarity({ document: USA }, { document: USA })) - 1) < 1e-9);
    const hits = await space.search({ document: { ...MEXICO, people: 130 } }, { k: 2 });
    assert.deepEqual([hits[0].id, hits[1].id], ["mexico", "usa"]);
    const filtered = await space.search({ document: MEXICO }, { filter: (id) => id !== "mexico" });
    assert.deepEqual(
      filtered.map(({ id }) => id),
      ["usa", "chad"],
    );
  });

  test("gets by path, explains, finds analogies", async () => {
    const code = await space.get({ id: "usa" }, "money.code");
    assert.equal(code.value, "USD");
    assert.ok(code.confidence > 0.99);
    const seas = Object.fromEntries(
      (await space.explain(USA, { id: "mexico" })).map(({ path, agreement }) => [path, agreement]),
    );
    assert.ok(seas["seas[0]"] > 0.6 && seas["money.code"] < 0.4);
    const { path, answer } = await space.analogy("dollar", { id: "usa" }, { id: "mexico" });
    assert.deepEqual([path, answer.value], ["money.name", "peso"]);
    await failsWith("missing", space.get({ id: "usa" }, "no.such.path"));
  });

  test("edits vectors exactly", async () => {
    const vector = await space.encode(USA);
    const changed = await space.updateField(vector, "money.name", "dollar", "peso");
    const wanted = await space.encode({ ...USA, money: { name: "peso", code: "USD" } });
    assert.deepEqual(changed.data, wanted.data);
    const without = await space.removeField(changed, "people", 331);
    assert.deepEqual((await space.addField(without, "people", 331)).data, wanted.data);
    const signs = await space.signs(wanted);
    assert.equal(signs.data.length, 512);
    await failsWith("input", space.addField(signs, "x", 1));
  });

  test("is kept and read again, and refuses files of others", async () => {
    const name = join(folder, "countries");
    await space.save(name);
    const again = await JsonSpace.open(name);
    assert.deepEqual(await again.names(), ["usa", "mexico", "chad"]);
    await again.dispose();
    const file = await space.toArrayBuffer();
    await failsWith("format", JsonSpace.load(file.slice(0, -1)));
    await failsWith("unsupported", JsonSpace.load(file, { identity: "nomul-json/9/4096/0" }));
    await failsWith(
      "unsupported",
      space.similarity({ id: "usa" }, { vector: { encoder: "x", data: new Int16Array(4096) } }),
    );
  });

  test("reads JSON Lines, and says where one is wrong", async () => {
    const lines = await JsonSpace.create({ schema: { dimension: 512 } });
    assert.equal(await lines.insertLines('{"a":1}\r\n\n{"a":2}\n'), 2);
    assert.deepEqual(await lines.names(), ["1", "3"]);
    await assert.rejects(lines.insertLines('\n\n\n{"a":}'), {
      code: "format",
      message: "line 4, column 6: expected value",
    });
    // As a file and as a stream, cut anywhere, with the mark that some editors put in front.
    const text = '\uFEFF{"a":3}\n{"a":4,"ü":"😀"}\n\n{"a":5}';
    const bytes = new TextEncoder().encode(text);
    const vectors = async (source) => {
      const space = await JsonSpace.create({ schema: { dimension: 512 } });
      const told = [];
      assert.equal(await space.insertLines(source, { onProgress: (now) => told.push(now) }), 3);
      assert.deepEqual(await space.names(), ["1", "2", "4"]);
      assert.equal(told.at(-1).done, bytes.length);
      const file = Buffer.from(await space.toArrayBuffer()).toString("hex");
      await space.dispose();
      return file;
    };
    const whole = await vectors(text);
    assert.equal(await vectors(new Blob([bytes])), whole);
    for (const step of [1, 3, 7, 1000]) {
      async function* cut() {
        for (let at = 0; at < bytes.length; at += step) yield bytes.slice(at, at + step);
      }
      assert.equal(await vectors(cut()), whole, `cut after ${step}`);
    }
    const texts = await JsonSpace.create({ schema: { dimension: 512 } });
    const twice = new JsonText('{"a":1,\n"a":2}');
    await assert.rejects(texts.encode(twice), { code: "format", message: 'line 2, column 3: duplicate key "a"' });
    assert.deepEqual(await texts.encode(new JsonText('{ "a": 1.0 }')), await texts.encode({ a: 1 }));
    await texts.dispose();
    await lines.dispose();
    await assert.rejects(JsonSpace.create({ schema: { dimension: 100 } }), { code: "input" });
  });

  test("takes vectors of a text encoder, and tells what a vector holds", async () => {
    const texts = await JsonSpace.create({ schema: { paths: { t: { string: { mode: "embedding" } } } } });
    assert.deepEqual(await texts.missingTexts({ t: "hello" }), ["hello"]);
    await failsWith("missing", texts.encode({ t: "hello" }));
    await texts.attach("hello", [1, -2, 3]);
    assert.equal((await texts.encode({ t: "hello" })).data.length, 4096);
    await texts.dispose();
    const { leaves, recall, holds } = await space.capacity(USA);
    assert.equal(leaves, 6);
    assert.ok(recall > 0.999 && holds > 80);
  });

  test("gives the vectors of every other engine", async () => {
    const plain = await JsonSpace.create({ schema: { dimension: 1156, seed: 7 } });
    const { data } = await plain.encode({ a: [1.5, "x", null], "b.c": { d: true, e: {} }, f: -1e308 });
    const digest = createHash("sha256").update(new Uint8Array(data.buffer)).digest("hex");
    assert.equal(digest, DIGEST);
    await plain.dispose();
  });
});

/** Of the numbers as the native test has them, little-endian. */
const DIGEST = "78725da085e7f0fbe524d1c01e2eac50c51bef5881583e5bc76b2d70684f647b";
