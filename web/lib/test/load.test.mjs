// Loading: from the disk and over HTTP, and what a caller can do with it. What goes wrong on the way is in network.test.mjs.

import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { setTimeout as sleep } from "node:timers/promises";
import { detect, forgetModel, load, persistStorage, storage } from "nomul";
import { failsWith, firstToken, folder, shardList, tuned, using } from "./support/model.mjs";
import { misbehave } from "./support/server.mjs";

const shards = (await shardList()).map(({ file }) => file);
const [last] = shards.slice(-1);
const isShard = (file) => shards.includes(file);
const never = new Promise(() => {});
const sum = (numbers) => numbers.reduce((sum, number) => sum + number, 0);

const closing = [];
after(() => Promise.all(closing.map((close) => close())));

async function serving(behaviour) {
  const server = await misbehave(folder, behaviour);
  closing.push(server.close);
  return server;
}

/** Waits until it holds. */
async function until(holds) {
  while (!holds()) await sleep(5);
}

describe("from the disk", () => {
  for (const place of [folder, folder.slice(0, -1), pathToFileURL(folder), pathToFileURL(folder).href]) {
    test(`${place instanceof URL ? "URL object" : place.startsWith("file:") ? "file: URL" : "path"} ${place}`, () =>
      using(place, {}, async (model) => {
        assert.equal(model.info.build, detect().build);
        assert.ok(model.info.contextLength > 0);
        assert.equal((await firstToken(model)).length, 1);
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
    const { length } = await using(url, { onProgress: (progress) => seen.push(progress) }, (model) =>
      model.inspect().then((matrices) => new Set(matrices.map(({ layer }) => layer))),
    ).then((layers) => ({ length: layers.size }));
    assert.deepEqual([...new Set(seen.map(({ phase }) => phase))], ["engine", "description", "weights", "done"]);
    for (const [before, now] of seen.slice(1).map((now, i) => [seen[i], now])) {
      assert.ok(now.loaded >= before.loaded && now.level >= before.level);
      assert.ok(before.layers.every((planes, block) => planes <= now.layers[block]));
    }
    const end = seen.at(-1);
    assert.deepEqual([end.loaded, end.level, end.usable, end.secondsLeft], [end.total, end.levels, true, 0]);
    assert.equal(end.levels, shards.length - 1);
    assert.ok(end.layers.length >= length - 1 && end.layers.every((planes) => planes > 0));
    assert.deepEqual([end.fromCache, end.stored.kind], [0, "none"]);
    assert.ok(seen.every(({ retry }) => retry === undefined));
  });

  test("tells speed and time left while bytes trickle in", async () => {
    const { url } = await serving((file) => (file === shards[1] ? { part: 20_000, wait: sleep(700) } : {}));
    const seen = [];
    await using(url, { onProgress: (progress) => seen.push(progress) }, async () => undefined);
    const measured = seen.filter(({ bytesPerSecond, phase }) => bytesPerSecond > 0 && phase === "weights");
    assert.ok(measured.length > 0);
    for (const { loaded, total, bytesPerSecond, secondsLeft } of measured) {
      // Some of what is not in the engine may be here already.
      assert.ok(secondsLeft >= 0 && secondsLeft <= (total - loaded) / bytesPerSecond);
    }
  });
});

describe("before all planes are here", () => {
  test("startAtPlanes answers early, and the rest streams on", async () => {
    let release;
    const gate = new Promise((resolve) => (release = resolve));
    const { url, log } = await serving(async (file) => (file === last ? await gate : {}));
    await using(url, { startAtPlanes: shards.length - 2 }, async (model) => {
      assert.ok((await model.inspect()).some(({ planes_ready, planes }) => planes_ready < planes));
      assert.equal((await firstToken(model)).length, 1);
      release({});
      await model.downloaded;
      assert.ok((await model.inspect()).every(({ planes_ready, planes }) => planes_ready === planes));
      assert.equal(log.filter(({ file }) => file === last).length, 1);
    });
  });

  test("nothing else is asked for before the last byte of what is awaited", async () => {
    const isAwaited = (file) => shards.slice(0, 2).includes(file);
    const awaitedBytes = sum((await shardList()).slice(0, 2).map(({ bytes }) => bytes));
    let [open, most, early] = [0, 0, 0];
    const { url, log } = await serving((file, request) => {
      if (!isShard(file)) return {};
      most = Math.max(most, ++open);
      const awaited = isAwaited(file);
      if (!awaited && awaitedBytes > sum(log.filter(({ file }) => isAwaited(file)).map(({ sent }) => sent))) early++;
      request.on("close", () => open--);
      // So slow that another request would overlap if it could.
      return awaited ? { part: 1024, wait: sleep(5) } : {};
    });
    await using(url, { startAtPlanes: 1, ...tuned({ segmentBytes: 4096 }) }, (model) => model.downloaded);
    assert.equal(early, 0);
    assert.ok(most <= 3, `${most} requests at once`);
    // The first goes alone; then there are several.
    assert.ok(most > 1);
  });

  test("an abort then stops the traffic and leaves a model that works", async () => {
    const { url, log } = await serving((file) => (file === last ? { part: 100, wait: never } : {}));
    const controller = new AbortController();
    await using(url, { startAtPlanes: shards.length - 2, signal: controller.signal }, async (model) => {
      await until(() => log.some(({ file }) => file === last));
      controller.abort();
      await assert.rejects(model.downloaded, { name: "AbortError" });
      await until(() => log.some(({ file, cut }) => file === last && cut));
      assert.equal((await firstToken(model)).length, 1);
    });
  });
});

describe("an abort", () => {
  test("before the start fetches nothing", async () => {
    const { url, log } = await serving();
    await assert.rejects(load(url, { signal: AbortSignal.abort() }), { name: "AbortError" });
    assert.equal(log.length, 0);
  });

  for (const own of [false, true]) {
    test(`closes every connection of the window${own ? ", of a fetch of one's own too" : ""}`, async () => {
      const stalled = { part: 100, wait: never };
      const { url, log } = await serving((file) => (file === shards[1] ? stalled : {}));
      const controller = new AbortController();
      const place = own ? { url, fetch: (address, init) => fetch(address, init) } : url;
      const loading = load(place, { signal: controller.signal, ...tuned({ segmentBytes: 4096 }) });
      const open = () => log.filter(({ file, sent, cut }) => file === shards[1] && sent > 0 && !cut);
      await until(() => open().length === 3);
      controller.abort();
      await assert.rejects(loading, { name: "AbortError" });
      await until(() => open().length === 0);
      const requests = log.length;
      await sleep(100);
      assert.equal(log.length, requests);
    });
  }
});

test("a fetch of one's own brings the bytes, in ranges", async () => {
  const { url, log } = await serving();
  const asked = [];
  const own = (address, init) => {
    asked.push(new URL(address).pathname.slice(1));
    return fetch(address.replace("http://models.invalid/", url), init);
  };
  await using({ url: "http://models.invalid/", fetch: own }, {}, firstToken);
  assert.deepEqual(asked.filter(isShard), shards);
  assert.ok(log.filter(({ file }) => isShard(file)).every(({ status }) => status === 206));

  const refuse = () => Promise.reject(new Error("no key"));
  assert.match((await failsWith("network", load({ url, fetch: refuse }))).message, /no key/);
});

test("nothing is kept in Node", async () => {
  assert.deepEqual(await storage(), {
    kind: "none",
    usage: undefined,
    quota: undefined,
    persisted: false,
    models: [],
  });
  assert.equal(await forgetModel("http://models.invalid/"), false);
  assert.equal(await persistStorage(), false);
});

test("a disposed model refuses, and what waited fails", async () => {
  const model = await load(folder);
  const refused = failsWith("disposed", model.complete({ prompt: [1], max_tokens: 1000 }));
  await model.dispose();
  await refused;
  await failsWith("disposed", model.tokenize("a"));
  await model.dispose();
});

test("await using disposes", async () => {
  const model = await load(folder);
  await model[Symbol.asyncDispose]();
  await failsWith("disposed", model.inspect());
});
