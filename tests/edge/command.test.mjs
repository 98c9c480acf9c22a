// The command under wasmtime: every subcommand does what it does natively, what it may not see is told, and it is small.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { nomul, root, wasiModule, wasmtimeRunner } from "../../pkg-scripts/shared/folders.mjs";

const golden = join(root, "tests", "golden");
const model = join(golden, "model-tiny");
const module = wasiModule("simd");

/** A program's end: its status, what it said and what it complained of. */
function ended(program, words, input = "") {
  const { status, stdout, stderr } = spawnSync(program, words, { input, encoding: "utf8" });
  return { status, stdout, stderr };
}

/** Times and what depends on the machine, taken out of an object. */
function lasting(value) {
  if (Array.isArray(value)) return value.map(lasting);
  if (value === null || typeof value !== "object") return value;
  const passing = /seconds|timings|_per_s$|_ms$|back_end|threads|digest|kernel|^folder$/;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name]) => !passing.test(name))
      .map(([name, each]) => [name, lasting(each)]),
  );
}

describe("the command under wasmtime", () => {
  let folder;
  const mine = (name) => join(folder, name);

  /** Runs the same words natively and under wasmtime, in folders of their own; `OUT` in a word stands for that folder. */
  async function both(words, input) {
    const ends = [];
    for (const [name, program, before] of [
      ["native", nomul, []],
      ["wasmtime", wasmtimeRunner, ["--dir", `${golden}::${golden}`, "--dir", `${folder}::${folder}`, module]],
    ]) {
      await mkdir(mine(name), { recursive: true });
      const own = words.map((word) => word.replace("OUT", mine(name)));
      const { status, stdout, stderr } = ended(program, [...before, ...own], input);
      assert.equal(status, 0, `${name}: ${stderr}`);
      ends.push(stdout);
    }
    return ends;
  }

  /** That what is said with `--json` is the same but for times. */
  async function sameJson(...words) {
    const [native, wasmtime] = (await both([...words, "--json"])).map((text) =>
      JSON.parse(text.trimEnd().split("\n").at(-1)),
    );
    assert.deepEqual(lasting(wasmtime), lasting(native));
    return wasmtime;
  }

  /** That a file that both wrote has the same bytes. */
  async function sameFile(name) {
    const [native, wasmtime] = await Promise.all(
      ["native", "wasmtime"].map((engine) => readFile(mine(`${engine}/${name}`))),
    );
    assert.ok(native.equals(wasmtime), `${name} has other bytes`);
  }

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "nomul-command-"));
    await writeFile(mine("edges.txt"), "a b\nb c\nc a\nd a\n");
    await writeFile(mine("documents.jsonl"), '{"name":"ann","size":1}\n{"name":"bob","size":2}\n');
    await writeFile(mine("query.json"), '{"name":"ann"}');
    await writeFile(mine("text.txt"), "The clock had stopped at noon, and nobody could say why. ".repeat(20));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  test("run", () => sameJson("run", model, "-p", "Once upon a time", "-n", "12"));

  test("chat", async () => {
    const [native, wasmtime] = await both(["chat", model, "-n", "8"], "Hello\nAnd then?\n");
    assert.ok(wasmtime.length > 0);
    assert.equal(wasmtime, native);
  });

  test("perplexity", () =>
    sameJson("perplexity", model, "--text", mine("text.txt"), "--window", "64", "--windows", "2"));

  test("embed", async () => {
    await sameJson("embed", join(golden, "encoder", "tiny"), "-p", "Gravity pulls.");
  });

  test("inspect", () => sameJson("inspect", model));

  test("digest", () => sameJson("digest", model, "--ids", "1,2,3"));

  test("bench", async () => {
    const found = await sameJson("bench", model, "--prompt", "8", "-n", "4", "--rounds", "1");
    assert.deepEqual([found.prompt_tokens, found.tokens], [8, 4]);
  });

  test("graph", async () => {
    await sameJson("graph", "embed", mine("edges.txt"), "-o", "OUT/vectors.npy");
    await sameFile("vectors.npy");
  });

  test("graph, to a format that is left out", () => {
    const words = ["graph", "embed", mine("edges.txt"), "-o", mine("vectors.parquet")];
    const { status, stderr } = ended(wasmtimeRunner, ["--dir", `${folder}::${folder}`, module, ...words]);
    assert.equal(status, 1);
    assert.match(stderr, /vectors\.parquet: vectors are written as \.npy or \.csv here/);
  });

  test("json", async () => {
    await sameJson("json", "embed", mine("documents.jsonl"), "-o", "OUT/index");
    await sameFile("index");
    const found = await sameJson("json", "search", "OUT/index", "--queries", mine("query.json"));
    assert.ok(JSON.stringify(found).length > 2);
  });

  test("quantize, a small model", async () => {
    // Floats are rounded otherwise than natively, so the planes may differ; what comes out is a model.
    const words = ["--bits", "3", "--windows", "2", "--window", "64"];
    await both(["quantize", join(golden, "checkpoints", "llama"), "-o", "OUT/quantized", ...words]);
    await sameJson("inspect", mine("wasmtime/quantized"));
  });

  test("a folder that it may not see", () => {
    for (const words of [
      ["run", "/model", "-p", "x"],
      ["inspect", "/model"],
    ]) {
      const { status, stdout, stderr } = ended(wasmtimeRunner, [module, ...words]);
      assert.deepEqual([status, stdout], [1, ""]);
      assert.match(stderr, /^nomul: \/model\/config\.json: [^\n]*--dir[^\n]*\n$/);
    }
  });

  test("a folder that is not there is the runner's error, with its name", () => {
    const { status, stderr } = ended(wasmtimeRunner, ["--dir", "/nowhere::/model", module, "inspect", "/model"]);
    assert.equal(status, 2);
    assert.match(stderr, /^--dir \/nowhere: [^\n]+\n$/);
  });

  test("takes no more than 2.97 MB", async () => {
    for (const build of ["simd", "relaxed"]) {
      const { size } = await stat(wasiModule(build));
      assert.ok(size <= 2.97e6, `${wasiModule(build)}: ${size} bytes`);
    }
  });
});
