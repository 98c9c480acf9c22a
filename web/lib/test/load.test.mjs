// Loading: from the disk and over HTTP, and everything that can go wrong on the way.

import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { setTimeout as sleep } from "node:timers/promises";
import { detect, load } from "nomul";
import { failsWith, folder, shardNames } from "./support/model.mjs";
import { misbehave } from "./support/server.mjs";

const shards = await shardNames();
const [last] = shards.slice(-1);

const closing = [];
after(() => Promise.all(closing.map((close) => close())));

async function serving(behaviour) {
  const server = await misbehave(folder, behaviour);
  closing.push(server.close);
  return server;
}

/** Loads, uses the model, disposes of it. */
async function using(place, options, work) {
  const model = await load(place, options);
  try {
    return await work(model);
  } finally {
    await model.dispose();
  }
}

const firstToken = (model) => model.complete({ prompt: [1], max_tokens: 1, temperature: 0 });

describe("from the disk", () => {
  for (const place of [folder, folder.slice(0, -1), pathToFileURL(folder), pathToFileURL(folder).href]) {
    test(`${place instanceof URL ? "URL object" : place.startsWith("file:") ? "file: URL" : "path"} ${place}`, () =>
      using(place, {}, async (model) => {
        assert.equal(model.info.build, detect().build);
        assert.ok(model.info.contextLength > 0);
        assert.equal((await firstToken(model)).choices[0].tokens.length, 1);
      }));
  }

  test("a folder that is not there", async () => {
    const error = await failsWith("missing", load("/nowhere/at/all"));
    assert.match(error.message, /config\.json/);
  });

  test("a build that this engine cannot run", { skip: detect().relaxedSimd }, () =>
    failsWith("unsupported", load(folder, { build: "relaxed" })),
  );

  test("a context that cannot be", () => failsWith("input", load(folder, { contextLength: 0 })));
});

describe("progress", () => {
  test("never goes back, and ends with everything here", async () => {
    const { url } = await serving();
    const seen = [];
    await using(url, { onProgress: (progress) => seen.push(progress) }, async () => undefined);
    assert.deepEqual([...new Set(seen.map(({ phase }) => phase))], ["engine", "description", "weights", "done"]);
    for (const [before, now] of seen.slice(1).map((now, i) => [seen[i], now])) {
      assert.ok(now.loaded >= before.loaded && now.level >= before.level);
    }
    const end = seen.at(-1);
    assert.deepEqual([end.loaded, end.level, end.usable], [end.total, end.levels, true]);
    assert.equal(end.levels, shards.length - 1);
  });

  test("tells speed and time left while bytes trickle in", async () => {
    const { url } = await serving((file) => (shards.includes(file) ? { wait: sleep(900) } : {}));
    const seen = [];
    await using(url, { onProgress: (progress) => seen.push(progress) }, async () => undefined);
    const measured = seen.filter(({ bytesPerSecond }) => bytesPerSecond !== undefined);
    assert.ok(measured.length > 0);
    for (const { loaded, total, bytesPerSecond, secondsLeft } of measured) {
      assert.ok(bytesPerSecond >= 0);
      if (bytesPerSecond > 0) assert.equal(secondsLeft, (total - loaded) / bytesPerSecond);
    }
  });
});

describe("before all planes are here", () => {
  test("startAtPlanes answers early, and the rest streams on", async () => {
    let release;
    const gate = new Promise((resolve) => (release = resolve));
    const { url, log } = await serving((file) => (file === last ? { wait: gate } : {}));
    await using(url, { startAtPlanes: shards.length - 2 }, async (model) => {
      assert.ok((await model.inspect()).some(({ planes_ready, planes }) => planes_ready < planes));
      assert.equal((await firstToken(model)).choices[0].tokens.length, 1);
      release();
      await model.downloaded;
      assert.ok((await model.inspect()).every(({ planes_ready, planes }) => planes_ready === planes));
      assert.equal(log.filter(({ file }) => file === last).length, 1);
    });
  });

  test("an abort then stops the traffic and leaves a model that works", async () => {
    // In small parts: the last shard holds the planes of the few matrices that have most.
    const { url, log } = await serving((file) => (file === last ? { part: 100, wait: new Promise(() => {}) } : {}));
    const controller = new AbortController();
    await using(url, { startAtPlanes: shards.length - 2, signal: controller.signal }, async (model) => {
      while (!log.some(({ file }) => file === last)) await sleep(5);
      controller.abort();
      await assert.rejects(model.downloaded, { name: "AbortError" });
      while (!log.some(({ file, cut }) => file === last && cut)) await sleep(5);
      assert.equal((await firstToken(model)).choices[0].tokens.length, 1);
    });
  });
});

describe("an abort", () => {
  test("before the start fetches nothing", async () => {
    const { url, log } = await serving();
    await assert.rejects(load(url, { signal: AbortSignal.abort() }), { name: "AbortError" });
    assert.equal(log.length, 0);
  });

  test("in the middle of a shard closes its connection, and nothing more is asked for", async () => {
    const { url, log } = await serving((file) => (file === shards[1] ? { wait: new Promise(() => {}) } : {}));
    const controller = new AbortController();
    const loading = load(url, { signal: controller.signal });
    while (!log.some(({ file, sent }) => file === shards[1] && sent > 0)) await sleep(5);
    controller.abort();
    await assert.rejects(loading, { name: "AbortError" });
    while (!log.at(-1).cut) await sleep(5);
    const requests = log.length;
    await sleep(100);
    assert.equal(log.length, requests);
  });
});

describe("what a server can do wrong", () => {
  const only = (name, answer) => (file) => (file === name ? answer : {});

  test("a shard that is not there", async () => {
    const { url } = await serving(only(shards[1], { status: 404 }));
    const error = await failsWith("missing", load(url));
    assert.match(error.message, new RegExp(`${shards[1]}: .*404`));
  });

  test("a server error", async () => {
    const { url } = await serving(only(shards[1], { status: 503 }));
    assert.match((await failsWith("network", load(url))).message, /503/);
  });

  test("an HTML page instead of a shard", async () => {
    const { url } = await serving(only(shards[0], { html: true }));
    assert.match((await failsWith("network", load(url))).message, /HTML page/);
  });

  test("an HTML page instead of an optional file counts as none", async () => {
    const { url } = await serving(only("generation_config.json", { html: true }));
    await using(url, {}, firstToken);
  });

  test("no server at all", async () => {
    const { url, close } = await misbehave(folder);
    await close();
    assert.match((await failsWith("network", load(url))).message, /config\.json/);
  });

  test("a flipped bit", async () => {
    const flip = (bytes) => {
      const damaged = Uint8Array.from(bytes);
      damaged[damaged.length - 1] ^= 1;
      return damaged;
    };
    const { url } = await serving(only(shards[1], { damage: flip }));
    assert.match((await failsWith("checksum", load(url))).message, new RegExp(shards[1]));
  });

  test("a shard that is too short or too long", async () => {
    for (const damage of [(bytes) => bytes.subarray(0, -1), (bytes) => Buffer.concat([bytes, Buffer.from([0])])]) {
      const { url } = await serving(only(shards[1], { damage }));
      assert.match((await failsWith("format", load(url))).message, new RegExp(shards[1]));
    }
  });

  test("a configuration that is none", async () => {
    const { url } = await serving(only("config.json", { damage: () => Buffer.from("[]") }));
    assert.match((await failsWith("format", load(url))).message, /config\.json/);
  });

  for (const ignoreRange of [false, true]) {
    test(`a connection that breaks is taken up again${ignoreRange ? ", by a server without ranges" : ""}`, async () => {
      let broken = 0;
      const { url, log } = await serving((file) => {
        if (file !== shards[1]) return {};
        return broken++ === 0 ? { cut: 100 } : { ignoreRange };
      });
      await using(url, {}, firstToken);
      const ranges = log.filter(({ file }) => file === shards[1]).map(({ range }) => range);
      assert.deepEqual(ranges, [undefined, "bytes=100-"]);
    });
  }

  test("a connection that breaks again and again", async () => {
    const { url, log } = await serving(only(shards[1], { cut: 10 }));
    const error = await failsWith("network", load(url));
    assert.match(error.message, /the connection ended after 40 bytes/);
    assert.equal(log.filter(({ file }) => file === shards[1]).length, 4);
  });
});

test("a fetch of one's own brings the bytes", async () => {
  const { url } = await serving();
  const asked = [];
  const own = (address, init) => {
    asked.push(new URL(address).pathname.slice(1));
    return fetch(address.replace("http://models.invalid/", url), init);
  };
  await using({ url: "http://models.invalid/", fetch: own }, {}, firstToken);
  assert.deepEqual(asked.slice(-shards.length), shards);

  const refuse = () => Promise.reject(new Error("no key"));
  assert.match((await failsWith("network", load({ url, fetch: refuse }))).message, /no key/);
});

test("a disposed model refuses, and what waited fails", async () => {
  const model = await load(folder);
  const waiting = model.complete({ prompt: [1], max_tokens: 1000 });
  await model.dispose();
  await failsWith("disposed", waiting);
  await failsWith("disposed", model.tokenize("a"));
  await model.dispose();
});

test("await using disposes", async () => {
  const model = await load(folder);
  await model[Symbol.asyncDispose]();
  await failsWith("disposed", model.inspect());
});
