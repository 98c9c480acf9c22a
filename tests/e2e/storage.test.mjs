// Weights that stay: what a page stores survives reloads, closed tabs, full disks and other tabs.

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { root } from "../../pkg-scripts/shared/folders.mjs";
import { folder, greedy, shardList, using } from "../../web/lib/test/support/model.mjs";
import { random } from "../../web/lib/test/support/random.mjs";
import { misbehave } from "../../web/lib/test/support/server.mjs";
import { startBrowser } from "./support/page.mjs";

const SEGMENT = 4096;
const site = join(root, "web", "lib");
const list = await shardList();
const total = sum(list.map(({ bytes }) => bytes));
const [base, long] = list;
const never = new Promise(() => {});

let browser, expected;
before(async () => {
  browser = await startBrowser();
  expected = await using(folder, {}, (model) => greedy(model, 12));
});
after(() => browser?.close());

function sum(numbers) {
  return numbers.reduce((sum, number) => sum + number, 0);
}

/** A server with the package and the model, and a browser that has never seen it. */
async function visiting(t, behaviour, options) {
  const server = await misbehave(folder, behaviour, { site, ...options });
  const context = await browser.newContext();
  t.after(async () => {
    await context.close();
    await server.close();
  });
  const open = async () => {
    const page = await context.newPage();
    await page.goto(server.url);
    return page;
  };
  const shardLog = () => server.log.filter(({ file }) => list.some((shard) => shard.file === file));
  /** Bytes of weights that it sent. */
  const sent = () => sum(shardLog().map(({ sent }) => sent));
  return { ...server, context, open, shardLog, sent };
}

/** Begins to load in a page; `loaded` waits for the end. */
const begin = (page, { place = "/model/", tuning = {}, ...options } = {}) =>
  page.evaluate(
    async ([place, options, tuning]) => {
      const { load } = await import("/build/index.js");
      const workerUrl = `/test/support/tuned.mjs?${new URLSearchParams(tuning)}`;
      globalThis.seen = [];
      // The engine took these; what describes the model is counted by then.
      const described = () => globalThis.seen.find(({ phase }) => phase === "weights")?.loaded;
      globalThis.weights = () => globalThis.seen.at(-1)?.loaded - described();
      const onProgress = (progress) => globalThis.seen.push(progress);
      globalThis.controller = new AbortController();
      const { signal } = globalThis.controller;
      globalThis.loading = load(place, { signal, build: "simd", workerUrl, onProgress, ...options });
      globalThis.loading.catch(() => undefined);
    },
    [place, options, { segmentBytes: SEGMENT, firstPauseMs: 5, ...tuning }],
  );

/** What the model answers, and what loading told; or the error. */
const end = (page) =>
  page.evaluate(async () => {
    try {
      const model = await globalThis.loading;
      const { choices } = await model.complete({ prompt: [1], max_tokens: 12, temperature: 0 });
      await model.downloaded;
      await model.dispose();
      return { tokens: choices[0].tokens, ...globalThis.seen.at(-1), seen: globalThis.seen };
    } catch ({ code, message }) {
      return { code, message };
    }
  });

async function loaded(page, options) {
  await begin(page, options);
  const result = await end(page);
  assert.equal(result.message, undefined);
  assert.deepEqual(result.tokens, expected);
  return result;
}

const storage = (page) => page.evaluate(async () => (await import("/build/index.js")).storage());

/** Where the models that are stored come from, the one used last first. */
const urls = async (page) => (await storage(page)).models.map(({ url }) => new URL(url).pathname);

describe("a second visit", () => {
  for (const [kind, tuning] of [
    ["opfs", {}],
    ["cache-api", { lack: "opfs" }],
  ]) {
    test(`takes all weights from storage: ${kind}`, async (t) => {
      const { url, open, sent } = await visiting(t);
      const page = await open();
      const first = await loaded(page, { tuning });
      assert.deepEqual([first.stored, first.fromCache], [{ kind }, 0]);
      assert.equal(sent(), total);
      const { models, usage, quota, persisted } = await storage(page);
      assert.deepEqual(
        models.map(({ lastUsed, ...model }) => ({ ...model, today: Date.now() - lastUsed < 60_000 })),
        [{ url: `${url}model/`, bytes: total, total, complete: true, today: true }],
      );
      assert.ok(usage > 0 && quota > usage && !persisted);

      await page.reload();
      const second = await loaded(page, { tuning });
      assert.deepEqual([second.stored, second.fromCache, second.secondsLeft], [{ kind }, total, 0]);
      assert.equal(sent(), total);

      const forget = () => page.evaluate(async () => (await import("/build/index.js")).forgetModel("/model"));
      assert.equal(await forget(), true);
      assert.equal(await forget(), false);
      assert.deepEqual((await storage(page)).models, []);
      await loaded(page, { tuning });
      assert.equal(sent(), 2 * total);
    });
  }

  test("does not read again what conversations begin with", async (t) => {
    const { open } = await visiting(t);
    const page = await open();
    const ask = (content, { cache, damage } = {}) =>
      page.evaluate(
        async ([content, cache, damage]) => {
          const { load } = await import("/build/index.js");
          const model = await load("/model/", { build: "simd", cache });
          const messages = [
            { role: "system", content: "Answer in rhymes, and never in more than four lines." },
            { role: "user", content },
          ];
          const { choices, usage } = await model.chat({ messages, max_tokens: 6, temperature: 0 });
          const answer = [choices[0].message.content, usage.prompt_tokens_details.cached_tokens];
          if (cache === undefined) {
            const place = await (await navigator.storage.getDirectory()).getDirectoryHandle("nomul-models");
            const [folder] = await Array.fromAsync(place.values());
            const kept = () => folder.getFileHandle("beginning");
            const size = async () => (await (await kept()).getFile()).size;
            // It is made when nobody waits.
            while (!(await size().catch(() => 0))) await new Promise((resolve) => setTimeout(resolve, 5));
            await model.dispose();
            if (damage) {
              const stream = await (await kept()).createWritable({ keepExistingData: true });
              await stream.write({ type: "write", position: 60, data: new Uint8Array([7, 7, 7]) });
              await stream.close();
            }
          }
          return answer;
        },
        [content, cache, damage],
      );
    const [, first] = await ask("What is rain?");
    const [second, saved] = await ask("Who sings?", { damage: true });
    const [third, lost] = await ask("Who sings?");
    const [never, none] = await ask("Who sings?", { cache: false });
    assert.deepEqual([first, lost, none], [0, 0, 0]);
    assert.ok(saved > 8, `${saved} tokens were not read again`);
    assert.deepEqual([second, third], [never, never]);
    const { models } = await storage(page);
    assert.ok(models[0].complete && models[0].bytes > total);
  });

  test("has nothing where nothing can be stored, or is to be", async (t) => {
    const { open, sent } = await visiting(t);
    const page = await open();
    const refused = await loaded(page, { cache: "opfs", tuning: { lack: "directory" } });
    assert.deepEqual(refused.stored, { kind: "none", reason: "there is no private file system here" });
    const lacking = await loaded(page, { tuning: { lack: "storage" } });
    assert.deepEqual(lacking.stored, { kind: "none", reason: "there is no private file system and no cache here" });
    const told = await loaded(page, { cache: false });
    assert.deepEqual(told.stored, { kind: "none", reason: "storing is turned off" });
    assert.deepEqual((await storage(page)).models, []);
    assert.equal(sent(), 3 * total);
    const second = await loaded(page, { tuning: { lack: "directory" } });
    assert.deepEqual(second.stored, { kind: "cache-api" });
  });

  test("removes what an older version left, once the new one is complete", async (t) => {
    const { open } = await visiting(t);
    const page = await open();
    await loaded(page);
    const files = () =>
      page.evaluate(async () => {
        const place = await (await navigator.storage.getDirectory()).getDirectoryHandle("nomul-models");
        const [folder] = await Array.fromAsync(place.values());
        await folder.getFileHandle("0".repeat(64), { create: true });
        return (await Array.fromAsync(folder.keys())).length;
      });
    const before = await files();
    await loaded(page);
    assert.equal(before, list.length + 2);
    const { models } = await storage(page);
    assert.equal(models[0].bytes, total);
    assert.equal(await files(), before);
  });
});

describe("broken off", () => {
  test("by reloads at 20 random places, it goes on from what is stored", async (t) => {
    const tuning = { segmentBytes: 1024 };
    const next = random(11);
    const places = Array.from({ length: 20 }, () => Math.floor(next() * total)).sort((one, other) => one - other);
    const last = places.at(-1);
    const begins = new Map(list.map(({ file }, i) => [file, sum(list.slice(0, i).map(({ bytes }) => bytes))]));
    let reached = () => {};
    const { open, sent, shardLog } = await visiting(t, (file, { headers }) => {
      const ahead = places[0] - begins.get(file) - Number(headers.range?.match(/^bytes=(\d+)-/)[1]);
      if (!(ahead < tuning.segmentBytes)) return {};
      // This answer stops there, and then the page goes.
      reached();
      return { part: Math.max(1, ahead), wait: never };
    });
    const page = await open();
    while (places.length > 0) {
      const stopped = new Promise((resolve) => (reached = resolve));
      await begin(page, { tuning });
      await stopped;
      await page.waitForTimeout(20);
      places.shift();
      await page.reload();
    }
    const { fromCache } = await loaded(page, { tuning });
    // Only what was on its way may come twice, over the three connections that are cut each time.
    const onItsWay = 3 * tuning.segmentBytes;
    assert.ok(fromCache >= last - onItsWay, `${fromCache} bytes were stored, and ${last} had come`);
    assert.ok(sent() - total <= 20 * onItsWay, `${sent() - total} bytes came twice`);
    assert.ok(shardLog().some(({ ifRange }) => ifRange === '"1"'));
  });

  test("by closing the tab, or by an abort", async (t) => {
    let stall = 3;
    const { open, sent } = await visiting(t, (file) =>
      file === long.file && stall-- < 1 ? { part: 9, wait: never } : {},
    );
    const onItsWay = 3 * SEGMENT;
    const first = await open();
    await begin(first);
    await first.waitForFunction((bytes) => globalThis.weights() >= bytes, base.bytes + 2 * SEGMENT);
    await first.close();
    stall = 6;
    const second = await open();
    await begin(second);
    await second.waitForFunction((bytes) => globalThis.weights() >= bytes, base.bytes + 5 * SEGMENT);
    await second.evaluate(() => globalThis.controller.abort());
    assert.match((await end(second)).message, /aborted/);
    stall = Infinity;
    const { fromCache } = await loaded(second);
    assert.ok(fromCache >= base.bytes + 5 * SEGMENT);
    assert.ok(sent() - total <= 2 * onItsWay, `${sent() - total} bytes came twice`);
  });
});

test("a file that changed since it was stored in part is read anew", async (t) => {
  let visit = 1;
  const { open, shardLog } = await visiting(t, (file) => {
    if (file !== long.file) return {};
    return visit === 1 ? { part: SEGMENT / 2, wait: never } : { version: "2" };
  });
  const page = await open();
  await begin(page);
  await page.waitForFunction((bytes) => globalThis.weights() >= bytes, base.bytes + SEGMENT / 2);
  await page.reload();
  visit = 2;
  const { fromCache } = await loaded(page);
  assert.equal(fromCache, base.bytes);
  const answers = shardLog().filter(({ file, status }) => file === long.file && status === 200);
  assert.deepEqual([answers[0].ifRange, answers.at(-1).ifRange], ['"1"', undefined]);
  assert.equal((await loaded(page)).fromCache, total);
});

test("two tabs at once: both get the model, one stores it", async (t) => {
  let release;
  const gate = new Promise((resolve) => (release = resolve));
  const { open, sent } = await visiting(t, async (file) => {
    if (file === list.at(-1).file) await gate;
  });
  const [one, other] = [await open(), await open()];
  await begin(one);
  await one.waitForFunction(() => globalThis.seen.at(-1)?.level > 0);
  await begin(other);
  await other.waitForFunction(() => globalThis.seen.at(-1)?.level > 0);
  const forgetting = one.evaluate(async () => {
    const { forgetModel } = await import("/build/index.js");
    return forgetModel("/model/").catch(({ code, message }) => `${code}: ${message}`);
  });
  assert.match(await forgetting, /^io: .*cannot be removed while it is being stored/);
  release();
  const [first, second] = [await end(one), await end(other)];
  assert.deepEqual([first.tokens, second.tokens], [expected, expected]);
  assert.deepEqual(first.stored, { kind: "opfs" });
  assert.match(second.stored.reason, /another tab/);
  // What the first had finished, the second read.
  assert.ok(second.fromCache > 0 && sent() === 2 * total - second.fromCache);
  assert.equal((await storage(one)).models[0].complete, true);
  assert.equal((await loaded(other)).fromCache, total);
});

describe("a full disk", () => {
  test("in the middle: storing stops, loading goes on, and what is stored serves the next visit", async (t) => {
    const { open, sent } = await visiting(t);
    const page = await open();
    const room = base.bytes + 20_000;
    const first = await loaded(page, { tuning: { lack: "disk", room } });
    assert.deepEqual(first.stored, { kind: "none", reason: "the browser lets this site store no more" });
    assert.ok(first.seen.some(({ stored }) => stored?.kind === "opfs"));
    const second = await loaded(page);
    assert.ok(second.fromCache > base.bytes && second.fromCache <= room);
    assert.deepEqual(second.stored, { kind: "opfs" });
    assert.equal(sent(), 2 * total - second.fromCache);
    assert.equal((await loaded(page)).fromCache, total);
  });

  test("from the beginning: nothing is stored, or other models make room", async (t) => {
    const { open } = await visiting(t);
    const page = await open();
    await loaded(page);
    const { usage } = await storage(page);
    const tight = (room) => ({ tuning: { lack: "quota", room } });
    const refused = await loaded(page, { place: "/other/", ...tight(usage + total / 2) });
    assert.equal(refused.stored.kind, "none");
    assert.match(refused.stored.reason, new RegExp(`^${total} bytes are missing`));
    assert.deepEqual(await urls(page), ["/model/"]);
    // Where not even all of the room would do, nothing is deleted.
    const hopeless = await loaded(page, { place: "/other/", evict: true, ...tight(total / 2) });
    assert.equal(hopeless.stored.kind, "none");
    assert.deepEqual(await urls(page), ["/model/"]);
    const kept = await loaded(page, { place: "/other/", evict: true, ...tight(usage + total / 2) });
    assert.deepEqual(kept.stored, { kind: "opfs" });
    assert.deepEqual(await urls(page), ["/other/"]);
  });

  test("that shows only on writing: other models make room too", async (t) => {
    const { open } = await visiting(t);
    const page = await open();
    for (const place of ["/older/", "/old/"]) await loaded(page, { place });
    const { stored } = await loaded(page, { evict: true, tuning: { lack: "disk", room: base.bytes + 20_000 } });
    assert.deepEqual(stored, { kind: "opfs" });
    assert.deepEqual(await urls(page), ["/model/", "/old/"]);
    assert.equal((await loaded(page)).fromCache, total);
  });
});

describe("damage in storage", () => {
  /** In the page: changes a file of the only model that is stored. `change` is a function's text, from bytes to bytes. */
  const alter = (page, name, change) =>
    page.evaluate(
      async ([name, change]) => {
        const place = await (await navigator.storage.getDirectory()).getDirectoryHandle("nomul-models");
        const [folder] = await Array.fromAsync(place.values());
        const file = await folder.getFileHandle(name);
        const bytes = new Uint8Array(await (await file.getFile()).arrayBuffer());
        const stream = await file.createWritable();
        await stream.write(new Function("bytes", `return (${change})(bytes)`)(bytes));
        await stream.close();
      },
      [name, String(change)],
    );
  /** The record with other digests of parts: `change` is the text of a function on them. */
  const alterDigests = (page, change) =>
    alter(
      page,
      "model.json",
      `(bytes) => {
        const record = JSON.parse(new TextDecoder().decode(bytes));
        record.parts = (${change})(record.parts);
        return JSON.stringify(record);
      }`,
    );
  const flip = (bytes) => bytes.with(5000, bytes[5000] ^ 1);
  const wrong = (parts) =>
    Object.fromEntries(
      Object.entries(parts).map(([name, { bytes, sha256 }]) => [
        name,
        { bytes, sha256: sha256.map(() => "0".repeat(64)) },
      ]),
    );

  for (const [title, isDamaged, change] of [
    ["is found by the digests of parts, and that shard is fetched anew", true, undefined],
    ["is found by the engine where no digests were kept", true, () => undefined],
    [
      "is found where digests are no digests",
      true,
      (parts) => Object.fromEntries(Object.keys(parts).map((name) => [name, { bytes: 1 << 18, sha256: ["?"] }])),
    ],
    ["of digests has the shards fetched anew", false, wrong],
  ]) {
    test(title, async (t) => {
      const { open, shardLog } = await visiting(t);
      const page = await open();
      await loaded(page);
      const requests = shardLog().length;
      if (change) await alterDigests(page, change);
      if (isDamaged) await alter(page, long.sha256, flip);
      const { fromCache, stored } = await loaded(page);
      const anew = isDamaged ? [long] : list;
      assert.deepEqual([fromCache, stored], [total - sum(anew.map(({ bytes }) => bytes)), { kind: "opfs" }]);
      assert.deepEqual(
        shardLog()
          .slice(requests)
          .map(({ file, sent }) => [file, sent]),
        anew.map(({ file, bytes }) => [file, bytes]),
      );
      assert.equal((await loaded(page)).fromCache, total);
    });
  }
});

describe("a model on another site", () => {
  test("comes in ranges, without a question before, and is stored", async (t) => {
    const foreign = await misbehave(folder);
    t.after(foreign.close);
    const { open } = await visiting(t);
    const page = await open();
    await loaded(page, { place: `${foreign.url}model/` });
    const weights = foreign.log.filter(({ file }) => file === long.file);
    assert.ok(weights.length > 1 && weights.every(({ status, ifRange }) => status === 206 && ifRange === undefined));
    assert.ok(foreign.log.every(({ method }) => method === "GET"));
    assert.equal((await loaded(page, { place: `${foreign.url}model/` })).fromCache, total);
  });

  test("that does not allow it is told apart, as far as can be", async (t) => {
    const foreign = await misbehave(folder, undefined, { cors: false });
    t.after(foreign.close);
    const { open } = await visiting(t);
    const page = await open();
    await begin(page, { place: foreign.url });
    const { code, message } = await end(page);
    assert.equal(code, "network");
    assert.match(message, /\.json: .*does not allow other sites to read this \(CORS\)/);
  });
});

test("without a network, loading waits for one", async (t) => {
  const { context, open } = await visiting(t, (file) => (file === long.file ? { part: 1000, wait: pause(50) } : {}));
  const page = await open();
  await begin(page);
  await page.waitForFunction((bytes) => globalThis.weights() >= bytes, base.bytes);
  await context.setOffline(true);
  await page.waitForFunction(() => globalThis.seen.at(-1)?.retry?.reason === "there is no network");
  await context.setOffline(false);
  assert.deepEqual((await end(page)).tokens, expected);
});
