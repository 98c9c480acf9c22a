import assert from "node:assert/strict";
import { mkdtemp, mkdir, rm, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { brotliDecompressSync, gunzipSync } from "node:zlib";
import { serve } from "../serve.mjs";

const BYTES = Uint8Array.from({ length: 1000 }, (_, index) => (index * 7) % 256);
const TEXT = "export const planes = 3;\n".repeat(200);
let folder, served;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "nomul-serve-"));
  await mkdir(join(folder, "page"));
  await mkdir(join(folder, "weights"));
  await writeFile(join(folder, "page", "index.html"), "<!doctype html>");
  await writeFile(join(folder, "page", "engine.wasm"), BYTES);
  await writeFile(join(folder, "page", "script.js"), TEXT);
  await writeFile(join(folder, "weights", "config.json"), "{}");
  await writeFile(join(folder, "weights", "model.safetensors"), TEXT);
  await writeFile(join(folder, "secret.txt"), "secret");
  await writeFile(join(folder, "secret.json"), TEXT);
  await writeFile(join(folder, "page", ".hidden.json"), TEXT);
  served = await serve({ root: join(folder, "page"), models: { model: join(folder, "weights") } });
});

after(async () => {
  await served.close();
  await rm(folder, { recursive: true });
});

const get = (path, headers = {}, method = "GET") => fetch(new URL(path, served.url), { headers, method });

/** The answer to a request that is sent as it stands: fetch would resolve dots, decompress and add headers. */
const raw = (path, headers = {}, method = "GET") =>
  new Promise((done, failed) => {
    const { hostname, port } = new URL(served.url);
    request({ hostname, port, path, headers, method }, async (response) => {
      const body = Buffer.concat(await response.toArray());
      done({ status: response.statusCode, headers: response.headers, body });
    })
      .on("error", failed)
      .end();
  });

const status = async (path, headers) => (await raw(path, headers)).status;

test("files have their types", async () => {
  assert.match((await get("")).headers.get("content-type"), /^text\/html/);
  assert.equal((await get("engine.wasm")).headers.get("content-type"), "application/wasm");
  assert.match((await get("model/config.json")).headers.get("content-type"), /^application\/json/);
});

test("a range is that part of the file", async () => {
  const response = await get("engine.wasm", { range: "bytes=10-19" });
  assert.equal(response.status, 206);
  assert.equal(response.headers.get("content-range"), "bytes 10-19/1000");
  assert.deepEqual(new Uint8Array(await response.arrayBuffer()), BYTES.slice(10, 20));
  assert.equal((await get("engine.wasm", { range: "bytes=1000-" })).status, 416);
});

test("a range of another version of the file is the whole file", async () => {
  const tag = (await get("engine.wasm")).headers.get("etag");
  assert.equal(await status("/engine.wasm", { "if-none-match": tag }), 304);
  assert.equal(await status("/engine.wasm", { range: "bytes=0-0", "if-range": tag }), 206);
  assert.equal(await status("/engine.wasm", { range: "bytes=0-0", "if-range": '"older"' }), 200);
});

test("text and code come compressed to those who take it", async () => {
  for (const [accepted, encoding, decompress] of [
    ["gzip, deflate, br, zstd", "br", brotliDecompressSync],
    ["gzip;q=1, br;q=0.5", "gzip", gunzipSync],
    ["br;q=0, *", "gzip", gunzipSync],
  ]) {
    const { headers, body } = await raw("/script.js", { "accept-encoding": accepted });
    assert.equal(headers["content-encoding"], encoding, accepted);
    assert.equal(headers["content-type"], "text/javascript; charset=utf-8");
    assert.equal(Number(headers["content-length"]), body.length);
    assert.equal(headers.vary, "accept-encoding");
    assert.ok(body.length < TEXT.length / 4);
    assert.equal(decompress(body).toString(), TEXT);
  }
  const plain = await raw("/script.js");
  assert.equal(plain.headers["content-encoding"], undefined);
  assert.equal(plain.headers.vary, "accept-encoding");
  assert.equal(plain.body.toString(), TEXT);
});

test("weights, parts of files and small files come as they are", async () => {
  const headers = { "accept-encoding": "gzip, br" };
  for (const path of ["/model/model.safetensors", "/model/config.json", "/"]) {
    assert.equal((await raw(path, headers)).headers["content-encoding"], undefined, path);
  }
  const part = await raw("/script.js", { ...headers, range: "bytes=0-5" });
  assert.equal(part.status, 206);
  assert.equal(part.body.toString(), "export");
});

test("a compressed file has an entity tag of its own, and changes with the file", async () => {
  const headers = { "accept-encoding": "br" };
  const { etag } = (await raw("/script.js", headers)).headers;
  assert.notEqual(etag, (await raw("/script.js")).headers.etag);
  assert.equal(await status("/script.js", { ...headers, "if-none-match": etag }), 304);
  assert.equal(await status("/script.js", { "if-none-match": etag }), 200, "not compressed");
  const head = await raw("/script.js", headers, "HEAD");
  assert.equal(head.headers.etag, etag);
  assert.equal(head.body.length, 0);

  const changed = "export const planes = 4;\n".repeat(201);
  await writeFile(join(folder, "page", "script.js"), changed);
  const after = await raw("/script.js", { ...headers, "if-none-match": etag });
  assert.equal(after.status, 200);
  assert.equal(brotliDecompressSync(after.body).toString(), changed);
  await writeFile(join(folder, "page", "script.js"), TEXT);
});

test("nothing outside the folders is served", async () => {
  for (const path of [
    "/../secret.txt",
    "/%2e%2e/secret.txt",
    "/model/../../secret.txt",
    "/model/%2e%2e%2fsecret.txt",
    "/model/../../secret.json",
    "/%2e%2e/secret.json",
    "/.hidden.json",
    "/%00",
    "/%",
  ]) {
    const found = await status(path, { "accept-encoding": "br" });
    assert.ok(found === 400 || found === 403 || found === 404, `${path}: ${found}`);
  }
  assert.equal((await get("absent")).status, 404);
  assert.equal((await get("", {}, "POST")).status, 405);
});

test("isolation is asked for, not given", async () => {
  assert.equal((await get("")).headers.get("cross-origin-opener-policy"), null);
  const isolated = await serve({ root: join(folder, "page"), isolated: true });
  for (const path of ["", "script.js"]) {
    const { headers } = await fetch(new URL(path, isolated.url));
    assert.equal(headers.get("cross-origin-opener-policy"), "same-origin");
    assert.equal(headers.get("cross-origin-embedder-policy"), "require-corp");
  }
  await isolated.close();
});
