import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import { checkpoint } from "../shared/checkpoint.mjs";

// A hub of one repository, as far as the scripts ask it.
const COMMIT = "0123456789abcdef0123456789abcdef01234567";
const WEIGHTS = Buffer.from("weights");
const FILES = {
  "config.json": Buffer.from("{}"),
  "model.safetensors": WEIGHTS,
  "README.md": Buffer.from("no part of it"),
};
let cache, hub, listing, asked;

before(async () => {
  cache = await mkdtemp(join(tmpdir(), "nomul-hub-"));
  hub = createServer((request, response) => {
    asked.push(request.url);
    if (request.url.startsWith("/api/models/org/tiny")) return response.end(JSON.stringify(listing));
    const file = FILES[request.url.split("/").at(-1)];
    return file ? response.end(file) : response.writeHead(404).end();
  });
  hub.listen(0, "127.0.0.1");
  await once(hub, "listening");
  process.env.HF_ENDPOINT = `http://127.0.0.1:${hub.address().port}`;
  process.env.NOMUL_CACHE = cache;
});

beforeEach(() => {
  asked = [];
  const sha256 = createHash("sha256").update(WEIGHTS).digest("hex");
  listing = {
    sha: COMMIT,
    siblings: [
      { rfilename: "config.json", size: 2 },
      { rfilename: "model.safetensors", size: WEIGHTS.length, lfs: { sha256 } },
      { rfilename: "README.md", size: 13 },
      { rfilename: "../model.safetensors", size: 1 },
    ],
  };
});

after(async () => {
  hub.close();
  hub.closeAllConnections();
  await rm(cache, { recursive: true });
});

test("a hub repository becomes a folder of what a checkpoint needs, once", async () => {
  const { name, path } = await checkpoint("hf:org/tiny");
  assert.equal(name, "tiny");
  assert.deepEqual((await readdir(path)).sort(), ["config.json", "model.safetensors"]);
  assert.deepEqual(await readFile(join(path, "model.safetensors")), WEIGHTS);
  asked = [];
  await checkpoint("hf:org/tiny");
  assert.equal(asked.length, 1, "only the listing is asked for again");
});

test("a file that is not what the hub announced is refused, and nothing of it stays", async () => {
  listing.sha = COMMIT.replaceAll("0", "f");
  listing.siblings[1].lfs.sha256 = "0".repeat(64);
  await assert.rejects(checkpoint("hf:org/tiny"), /SHA-256/);
  const folder = join(cache, "checkpoints", "org--tiny", listing.sha);
  assert.deepEqual(await readdir(folder), ["config.json"]);
});

test("a commit that is none cannot lead out of the cache", async () => {
  listing.sha = "../../../elsewhere";
  await assert.rejects(checkpoint("hf:org/tiny"), /commit/);
});

test("what is not there is named in one line", async () => {
  await assert.rejects(checkpoint("hf:org/none"), /api\/models\/org\/none.*404/);
  await assert.rejects(checkpoint("hf:nonsense"), /hf:ORG\/NAME/);
  await assert.rejects(checkpoint(join(cache, "absent")), /no such file/);
  listing.siblings = listing.siblings.slice(0, 1);
  await assert.rejects(checkpoint("hf:org/tiny"), /no model\*\.safetensors/);
});
