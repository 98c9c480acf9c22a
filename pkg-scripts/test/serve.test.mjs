import assert from "node:assert/strict";
import { mkdtemp, mkdir, rm, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { serve } from "../serve.mjs";

const BYTES = Uint8Array.from({ length: 1000 }, (_, index) => (index * 7) % 256);
let folder, served;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "nomul-serve-"));
  await mkdir(join(folder, "page"));
  await mkdir(join(folder, "weights"));
  await writeFile(join(folder, "page", "index.html"), "<!doctype html>");
  await writeFile(join(folder, "page", "engine.wasm"), BYTES);
  await writeFile(join(folder, "weights", "config.json"), "{}");
  await writeFile(join(folder, "secret.txt"), "secret");
  served = await serve({ root: join(folder, "page"), models: { model: join(folder, "weights") } });
});

after(async () => {
  await served.close();
  await rm(folder, { recursive: true });
});

const get = (path, headers = {}, method = "GET") => fetch(new URL(path, served.url), { headers, method });

/** The status of a request that is sent as it stands: fetch would resolve dots and add headers about caching. */
const status = (path, headers = {}) =>
  new Promise((done, failed) => {
    const { hostname, port } = new URL(served.url);
    request({ hostname, port, path, headers }, (response) => done(response.resume().statusCode))
      .on("error", failed)
      .end();
  });

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

test("nothing outside the folders is served", async () => {
  for (const path of [
    "/../secret.txt",
    "/%2e%2e/secret.txt",
    "/model/../../secret.txt",
    "/model/%2e%2e%2fsecret.txt",
    "/%00",
    "/%",
  ]) {
    const found = await status(path);
    assert.ok(found === 400 || found === 403 || found === 404, `${path}: ${found}`);
  }
  assert.equal((await get("absent")).status, 404);
  assert.equal((await get("", {}, "POST")).status, 405);
});

test("isolation is asked for, not given", async () => {
  assert.equal((await get("")).headers.get("cross-origin-opener-policy"), null);
  const isolated = await serve({ root: join(folder, "page"), isolated: true });
  const { headers } = await fetch(isolated.url);
  assert.equal(headers.get("cross-origin-opener-policy"), "same-origin");
  assert.equal(headers.get("cross-origin-embedder-policy"), "require-corp");
  await isolated.close();
});
