// What networks and servers do wrong: the model comes all the same, or one clear line says why not.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { load } from "nomul";
import { random } from "./support/random.mjs";
import { failsWith, firstToken, folder, greedy, isOther, shardList, tuned, using } from "./support/model.mjs";
import { misbehave } from "./support/server.mjs";

/** A tiny model has to take many segments too; a model of real size has them of the size that everybody gets. */
const SEGMENT = isOther ? 2 << 20 : 4096;

const list = await shardList();
const shards = list.map(({ file }) => file);
const bytesOf = (file) => list.find((shard) => shard.file === file).bytes;
/** One that takes many segments. */
const [, long] = shards;

const closing = [];
after(() => Promise.all(closing.map((close) => close())));

let expected;
before(async () => (expected = await using(folder, {}, (model) => greedy(model, 24))));

/** A server, and `options` that load from it in small steps. */
async function serving(behaviour) {
  const server = await misbehave(folder, behaviour);
  closing.push(server.close);
  return { ...server, shardLog: () => server.log.filter(({ file }) => shards.includes(file)) };
}

const options = tuned({ segmentBytes: SEGMENT, firstPauseMs: 4 });

/** Loads, and the model is the right one. */
const works = (place, more = {}) =>
  using(place, { ...options, ...more }, async (model) => assert.deepEqual(await greedy(model, 24), expected));

const fails = (code, place) => failsWith(code, load(place, options));

const only = (name, answer) => (file) => (file === name ? answer : {});
/** The first `count` requests for a file are answered in one way, later ones as they should be. */
const first = (count, name, answer) => (file) => (file === name && count-- > 0 ? answer : {});

const flip = (bytes) => {
  const damaged = Uint8Array.from(bytes);
  damaged[damaged.length - 1] ^= 1;
  return damaged;
};
const withoutLast = (bytes) => bytes.subarray(0, -1);
const withOneMore = (bytes) => Buffer.concat([bytes, Buffer.from([0])]);

test("segments cover every shard once", async () => {
  const { url, shardLog } = await serving();
  await works(url);
  for (const { file, bytes } of list) {
    const parts = shardLog().filter((entry) => entry.file === file);
    assert.ok(parts.every(({ status }) => status === 206));
    assert.equal(
      parts.reduce((sum, { sent }) => sum + sent, 0),
      bytes,
    );
    assert.equal(parts.length, Math.ceil(bytes / SEGMENT));
  }
  // What came of a shard before is named, so that the rest is of the same version.
  const [, ...later] = shardLog().filter(({ file }) => file === long);
  assert.ok(later.some(({ ifRange }) => ifRange === '"1"'));
});

describe("a server without ranges", () => {
  test("sends each shard once, over one connection", async () => {
    const { url, shardLog } = await serving(() => ({ ignoreRange: true }));
    await works(url);
    assert.deepEqual(
      shardLog().map(({ file, sent }) => [file, sent]),
      list.map(({ file, bytes }) => [file, bytes]),
    );
  });

  test("that breaks off sends what is here once more", async () => {
    const answer = first(1, long, { cut: 9000, ignoreRange: true });
    const { url, shardLog } = await serving((file) => ({ ignoreRange: true, ...answer(file) }));
    await works(url);
    assert.equal(shardLog().filter(({ file }) => file === long).length, 2);
  });

  test("for some requests only", async () => {
    let requests = 0;
    const { url, shardLog } = await serving((file) => ({ ignoreRange: file === long && ++requests === 3 }));
    await works(url);
    assert.ok(shardLog().filter(({ file }) => file === long).length < bytesOf(long) / SEGMENT);
  });
});

describe("a server in trouble", () => {
  test("answers all kinds of errors that may pass, one after the other", async () => {
    const statuses = [408, 425, 429, 500, 503];
    const { url } = await serving((file) => (file === long ? { status: statuses.shift() } : {}));
    const retries = [];
    await works(url, { onProgress: ({ retry }) => retry && retries.push(retry) });
    assert.ok(retries.some(({ reason }) => /HTTP (408|425|429|5)/.test(reason)));
    assert.ok(retries.every(({ attempt, inSeconds }) => attempt >= 1 && inSeconds >= 0 && inSeconds < 1));
  });

  test("answers 503 always", async () => {
    const { url, shardLog } = await serving(only(long, { status: 503 }));
    const error = await fails("network", url);
    assert.match(error.message, new RegExp(`${long}: the server answered HTTP 503 \\(tried 6 times\\)`));
    // Three requests at a time; while the shard before comes there is hope.
    assert.ok(shardLog().filter(({ file }) => file === long).length <= 3 * 10);
  });

  test("says how long to wait", async () => {
    const { url } = await serving(first(1, long, { status: 503, headers: { "retry-after": "1" } }));
    const began = performance.now();
    await works(url);
    assert.ok(performance.now() - began > 1000);
  });

  test("answers 503 to one of the small files", async () => {
    const { url } = await serving(first(1, "tokenizer.json", { status: 503 }));
    await works(url);
  });

  test("cannot be reached at all", async () => {
    const { url, close } = await misbehave(folder);
    await close();
    assert.match((await fails("network", url)).message, /\.json: .*tried 3 times/);
  });
});

describe("a server that will not give the file", () => {
  for (const [status, code] of [
    [401, "network"],
    [403, "network"],
    [404, "missing"],
    [410, "missing"],
  ]) {
    test(`answers ${status}: nothing is tried again`, async () => {
      const { url, shardLog } = await serving(only(long, { status }));
      assert.match((await fails(code, url)).message, new RegExp(`${long}: .*HTTP ${status}`));
      assert.ok(shardLog().filter(({ file }) => file === long).length <= 3);
    });
  }

  test("sends an HTML page instead of a shard", async () => {
    const { url } = await serving(only(long, { html: true }));
    assert.match((await fails("network", url)).message, new RegExp(`${long}: .*HTML page`));
  });

  test("sends an HTML page instead of an optional file, which counts as none", async () => {
    const { url } = await serving(only("generation_config.json", { html: true }));
    await using(url, options, firstToken);
  });
});

describe("wrong bytes", () => {
  test("once: the shard is fetched anew, whole", async () => {
    const damage = (bytes) => bytes.map((byte) => byte ^ 1);
    const { url, shardLog } = await serving(first(1, long, { damage }));
    await works(url);
    const whole = shardLog().filter(({ file, status }) => file === long && status === 200);
    assert.equal(whole.length, 1);
    assert.equal(whole[0].sent, bytesOf(long));
  });

  test("always", async () => {
    const { url, shardLog } = await serving(only(long, { damage: flip }));
    assert.match((await fails("checksum", url)).message, new RegExp(long));
    assert.equal(shardLog().filter(({ file, status }) => file === long && status === 200).length, 1);
  });

  for (const ignoreRange of [false, true]) {
    test(`a shard that is too short or too long${ignoreRange ? ", without ranges" : ""}`, async () => {
      for (const damage of [withoutLast, withOneMore]) {
        const { url } = await serving((file) => ({ ignoreRange, ...(file === long && { damage }) }));
        const { message } = await fails("format", url);
        assert.match(message, new RegExp(`${long}: .*${bytesOf(long)}`));
      }
    });
  }

  test("a range that is not the one asked for", async () => {
    const headers = { "content-range": `bytes 1-${SEGMENT}/${bytesOf(long)}` };
    const { url } = await serving(only(long, { headers }));
    assert.match(
      (await fails("network", url)).message,
      new RegExp(`bytes 0-${SEGMENT - 1} were asked for, the server sent "bytes 1-${SEGMENT}`),
    );
  });

  test("more or fewer than were asked for", async () => {
    const more = await serving(only(long, { longer: 1 }));
    assert.match(
      (await fails("format", more.url)).message,
      new RegExp(`${long}: more than the bytes 0-${SEGMENT - 1} asked for`),
    );
    const fewer = await serving(only(long, { longer: -1 }));
    const { message } = await fails("format", fewer.url);
    assert.match(message, new RegExp(`${long}: ended after ${SEGMENT - 1} of ${bytesOf(long)} bytes`));
  });

  test("a configuration that is none", async () => {
    const { url } = await serving(only("config.json", { damage: () => Buffer.from("[]") }));
    assert.match((await fails("format", url)).message, /config\.json/);
  });
});

describe("a file that changes while it is read", () => {
  test("is read anew, once", async () => {
    let requests = 0;
    const { url, shardLog } = await serving((file) => ({ version: file === long && ++requests > 4 ? "2" : "1" }));
    await works(url);
    const answers = shardLog().filter(({ file, status }) => file === long && status === 200);
    assert.ok(answers.some(({ sent, ifRange }) => ifRange === undefined && sent === bytesOf(long)));
  });

  test("into another one is told by its checksum", async () => {
    let requests = 0;
    const { url } = await serving((file) =>
      file === long && ++requests > 4 ? { version: "2", damage: (bytes) => bytes.map((byte) => byte ^ 1) } : {},
    );
    const { code, message } = await load(url, options).catch((error) => error);
    assert.ok(code === "checksum" || code === "format", code);
    assert.match(message, new RegExp(long));
  });

  test("has another version on every server of a host: the checksum decides", async () => {
    let requests = 0;
    const { url } = await serving((file) => ({ version: file === long ? String(++requests) : "1" }));
    await works(url);
  });
});

describe("a connection that breaks", () => {
  test("at 20 random places is taken up where it broke, and no other byte is sent twice", async () => {
    const next = random(7);
    const total = list.reduce((sum, { bytes }) => sum + bytes, 0);
    const cuts = new Set(Array.from({ length: 20 }, () => 1 + Math.floor(next() * (total - 2))));
    const begins = new Map(
      list.map(({ file }, i) => [file, list.slice(0, i).reduce((sum, { bytes }) => sum + bytes, 0)]),
    );
    const { url, shardLog } = await serving((file, { headers }) => {
      if (!begins.has(file)) return {};
      const [, from, last] = headers.range.match(/^bytes=(\d+)-(\d+)$/).map(Number);
      const begin = begins.get(file) + from;
      const cut = [...cuts].filter((at) => at > begin && at <= begins.get(file) + last).sort((a, b) => a - b)[0];
      cuts.delete(cut);
      return cut === undefined ? {} : { cut: cut - begin };
    });
    await works(url);
    assert.equal(cuts.size, 0);
    assert.equal(shardLog().filter(({ cut }) => cut).length, 20);
    for (const { file, bytes } of list)
      checkOnce(
        shardLog().filter((entry) => entry.file === file),
        bytes,
      );
  });

  test("again and again brings the model while bytes come", async () => {
    const { url } = await serving(only(long, { cut: 1000 }));
    await works(url);
  });

  test("before its first byte, again and again, is given up", async () => {
    const { url, shardLog } = await serving((file, request) => {
      if (file === long) request.socket.destroy();
      return {};
    });
    assert.match((await fails("network", url)).message, /tried 6 times/);
    assert.ok(shardLog().filter(({ file }) => file === long).length <= 3 * 10);
  });

  test("behind its last byte has brought everything", async () => {
    const answer = { cut: SEGMENT, headers: { "content-length": undefined } };
    const { url, shardLog } = await serving(first(1, long, answer));
    await works(url);
    assert.equal(shardLog().filter(({ file, from }) => file === long && from === 0).length, 1);
  });

  test("is taken up with a fetch of one's own", async () => {
    const { url } = await serving(first(3, long, { cut: 1000 }));
    await works({ url, fetch: (address, init) => fetch(address, init) });
  });
});

/**
 * The answers cover a file, and each begins where an earlier one ended or, where that was cut, at most that much before: only
 * what was on its way then is sent twice.
 */
function checkOnce(answers, bytes) {
  const sorted = [...answers].sort((one, other) => one.from - other.from);
  let end = 0;
  let cut = false;
  for (const { from, sent, ...answer } of sorted) {
    assert.ok(from === end || (cut && from < end), `an answer from ${from}, the one before ended at ${end}`);
    end = Math.max(end, from + sent);
    cut = answer.cut;
  }
  assert.equal(end, bytes);
}
