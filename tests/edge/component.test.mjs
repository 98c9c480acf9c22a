// The component in V8, by jco: the same bits as everywhere, and errors with codes. wasmtime's side of this, and the bounds that
// a host sets, are in crate/edge/host/tests.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { transpile } from "@bytecodealliance/jco-transpile";
import { edgeComponent, root } from "../../pkg-scripts/shared/folders.mjs";

const golden = join(root, "tests", "golden");
const read = (file) => readFile(join(golden, "model-tiny", file));
const json = async (file) => JSON.parse(await readFile(join(golden, file), "utf8"));
const options = (more) => ({ logitBias: [], stop: [], ignoreEos: true, ...more });

/** What `work` throws has this code and one line. */
function refused(work, code) {
  assert.throws(work, (error) => {
    assert.equal(error.code, code);
    assert.match(error.message, /^[^\n]+$/);
    return true;
  });
}

/** The events of an answer. */
function all(generation) {
  const events = [];
  while (events.at(-1)?.tag !== "end") events.push(generation.next());
  return events;
}

const tokens = (generation) => all(generation).flatMap(({ tag, val }) => (tag === "token" ? [val.id] : []));

describe("the component in V8", () => {
  let folder, nomul, files;

  const open = async () => {
    const model = nomul.models.Model.open(files);
    for (const { file } of model.shards()) model.push(await read(file));
    return model;
  };

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "nomul-component-"));
    const made = await transpile(process.env.NOMUL_EDGE_COMPONENT ?? edgeComponent("nomul-simd"), {
      name: "nomul",
      outDir: folder,
    });
    for (const [file, bytes] of Object.entries(made.files)) {
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, bytes);
    }
    await writeFile(join(folder, "package.json"), '{ "type": "module" }');
    nomul = await import(pathToFileURL(join(folder, "nomul.js")));
    files = {
      config: await read("config.json"),
      index: await read("model.safetensors.index.json"),
      tokenizer: await read("tokenizer.json"),
      tokenizerConfig: await read("tokenizer_config.json"),
      generationConfig: await read("generation_config.json"),
    };
  });
  after(() => rm(folder, { recursive: true, force: true }));

  test("tokens", async () => {
    const greedy = await json("model-tiny.greedy.json");
    const model = await open();
    assert.deepEqual(tokens(model.complete(greedy.prompt, options({ maxTokens: 40 }))), greedy.tokens);
    assert.deepEqual([...model.tokenize(greedy.prompt, true)], greedy.prompt_tokens);
  });

  test("scores", async () => {
    const { ids, sha256 } = await json("model-tiny.digest.json");
    const model = await open();
    const digest = createHash("sha256");
    for (let n = 1; n <= ids.length; n++) digest.update(model.logits(new Uint32Array(ids.slice(0, n))));
    assert.equal(digest.digest("hex"), sha256);
  });

  test("a conversation that is saved goes on elsewhere", async () => {
    const greedy = await json("model-tiny.greedy.json");
    const prompt = greedy.prompt_tokens;
    const first = await open();
    assert.deepEqual(
      tokens(first.start(new Uint32Array(prompt), options({ maxTokens: 10 }))),
      greedy.tokens.slice(0, 10),
    );
    const second = await open();
    second.loadState(first.saveState());
    const longer = new Uint32Array([...prompt, ...greedy.tokens.slice(0, 10)]);
    const events = all(second.start(longer, options({ maxTokens: 5, logprobs: 2 })));
    const ids = events.flatMap(({ tag, val }) => (tag === "token" ? [val.id] : []));
    assert.deepEqual(ids, greedy.tokens.slice(10, 15));
    assert.equal(events.at(-1).val.cachedTokens, prompt.length + 9);
    for (const { tag, val } of events) if (tag === "token") assert.equal(val.logprobs.top.length, 2);
  });

  test("a model that is left in an instance can be taken, once", async () => {
    refused(() => nomul.models.Model.takeResident(), "missing");
    refused(() => nomul.resident.finish(), "missing");
    const shards = nomul.resident.begin(files);
    refused(() => nomul.resident.finish(), "not-ready");
    for (const { file } of shards) nomul.resident.push(await read(file));
    nomul.resident.finish();
    const greedy = await json("model-tiny.greedy.json");
    const model = nomul.models.Model.takeResident();
    assert.deepEqual(tokens(model.complete(greedy.prompt, options({ maxTokens: 5 }))), greedy.tokens.slice(0, 5));
    refused(() => nomul.models.Model.takeResident(), "missing");
  });

  test("what is impossible is an error with a code", async () => {
    const early = nomul.models.Model.open(files);
    refused(() => early.complete("Once", options()), "not-ready");
    const [{ file }] = early.shards();
    const damaged = Uint8Array.from(await read(file));
    damaged[damaged.length - 1] ^= 1;
    refused(() => early.push(damaged), "checksum");
    early.rewind();
    early.push(await read(file));

    refused(() => nomul.models.Model.open({ ...files, config: files.config.subarray(0, 99) }), "format");
    const model = await open();
    refused(() => model.complete("Once", options({ temperature: -1 })), "input");
    refused(() => model.start(new Uint32Array([99_999]), options()), "input");
    refused(() => model.start(new Uint32Array(513).fill(1), options()), "capacity");
    refused(() => model.loadState(new Uint8Array(100)), "format");
    const first = model.complete("Once", options({ maxTokens: 3 }));
    first.next();
    model.complete("Once", options({ maxTokens: 3 }));
    refused(() => first.next(), "not-ready");
  });

  test("graphs, documents and vectors", () => {
    const { graphs, documents, search } = nomul;
    const about = { direction: "undirected", keepDuplicates: true, keepSelfLoops: true, keepWeights: true };
    const reader = new graphs.Reader(about);
    reader.push(new TextEncoder().encode("a b\nb c\nc a\nd e\ne f\nf d\n"));
    const graph = graphs.Reader.finish(reader);
    assert.deepEqual(graph.keys().sort(), ["a", "b", "c", "d", "e", "f"]);
    refused(() => graph.vectors(0, 1), "not-ready");
    graph.embed({ dimensions: 64, seed: 1n });
    assert.equal(graph.vectors(0, 6).length, 6 * 64);
    const near = graph.neighbours(graph.find("a"), 2).map(({ node }) => graph.keys()[node]);
    assert.deepEqual(near.sort(), ["b", "c"]);

    const space = documents.Space.open('{"version": 1, "dimension": 2048}', 100);
    space.insert("red", '{"colour": "red", "size": 3}');
    space.insert("blue", '{"colour": "blue", "size": 4}');
    const query = { tag: "sums", val: space.encode('{"colour": "blue"}') };
    assert.equal(space.search(query, 1)[0].id, "blue");
    assert.match(space.get({ tag: "signs", val: space.vector("red") }, "colour"), /red/);
    refused(() => space.insert("red", "{}"), "input");
    assert.deepEqual(documents.Space.load(space.save()).names(), ["red", "blue"]);

    const index = search.VectorIndex.open("int8", 2, "cosine", "test");
    index.put(new BigUint64Array([7n, 8n]), { tag: "int8", val: new Int8Array([1, 0, 0, 1]) }, "insert");
    const [hits] = index.search({ tag: "int8", val: new Int8Array([5, 1]) }, 2);
    assert.deepEqual(
      hits.map(({ key }) => key),
      [7n, 8n],
    );
    refused(() => index.put(new BigUint64Array([1n]), { tag: "int8", val: new Int8Array(3) }, "put"), "input");
  });
});
