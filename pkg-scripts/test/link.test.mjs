import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { serve } from "../serve.mjs";
import { Link } from "../shared/link.mjs";

const MEGABYTE = 1_000_000;
let root;

before(async () => {
  root = await mkdtemp(join(tmpdir(), "nomul-link-"));
  await writeFile(join(root, "whole.bin"), Buffer.alloc(MEGABYTE, 1));
  await writeFile(join(root, "third.bin"), Buffer.alloc(MEGABYTE / 3, 2));
});

after(() => rm(root, { recursive: true }));

/** Runs `work(get, link)` with a server behind such a link; `get(file)` opens a connection and answers with the response. */
async function behind(options, work) {
  const link = new Link(options);
  const served = await serve({ root, link });
  const get = async (file) => {
    const sent = request(new URL(file, served.url), { agent: false }).end();
    const [response] = await once(sent, "response");
    return response;
  };
  try {
    return await work(get, link);
  } finally {
    await served.close();
  }
}

/** Opens all files at once and reads them to their ends; the bytes of each, and the seconds since it was asked for. */
async function read(get, ...files) {
  const began = performance.now();
  const each = files.map(async (file) => {
    let bytes = 0;
    for await (const part of await get(file)) bytes += part.length;
    return { bytes, seconds: (performance.now() - began) / 1000 };
  });
  return Promise.all(each);
}

/** Nothing is ever sooner than a link allows. Later it can be, on a machine that is busy: that has to be so three times. */
async function takes(least, most, work) {
  for (let tries = 1; ; tries++) {
    const found = await work();
    assert.ok(found > least, `${found} s`);
    if (found < most) return;
    assert.ok(tries < 3, `${found} s`);
  }
}

test("all connections share what the link carries, evenly", async () => {
  await behind({ megabits: 8 }, async (get, link) => {
    await read(get, "absent");
    await takes(0.9, 1.1, async () => {
      const before = link.bytes;
      const found = await read(get, "third.bin", "third.bin", "third.bin");
      const sum = found.reduce((sum, { bytes }) => sum + bytes, 0);
      assert.equal(sum, 3 * Math.floor(MEGABYTE / 3));
      const sent = link.bytes - before;
      assert.ok(sent > sum && sent < 1.01 * sum, `${sent} bytes`);
      const times = found.map(({ seconds }) => seconds);
      // One that comes first has the link for itself for a moment.
      assert.ok(Math.min(...times) > 0.5, `${times} s`);
      return Math.max(...times);
    });
  });
});

test("a fast link is as exact, and what nobody used is not saved up", async () => {
  await behind({ megabits: 40 }, async (get) => {
    await read(get, "absent");
    await pause(200);
    await takes(0.18, 0.3, async () => (await read(get, "whole.bin"))[0].seconds);
  });
});

test("a request comes late by the latency, and a visitor who leaves ends it", async () => {
  await behind({ megabits: 8, latency: 60 }, async (get) => {
    await takes(0.055, 0.2, async () => {
      const began = performance.now();
      (await get("whole.bin")).destroy();
      return (performance.now() - began) / 1000;
    });
    await pause(50);
    // The rest of the first file would take most of a second more.
    await takes(0.35, 0.6, async () => (await read(get, "third.bin"))[0].seconds);
  });
});

test("who does not read is not sent to without end", async () => {
  await writeFile(join(root, "large.bin"), Buffer.alloc(64 * MEGABYTE));
  await behind({ megabits: 10_000 }, async (get, link) => {
    await get("large.bin");
    await pause(200);
    const before = link.bytes;
    assert.ok(before < 32 * MEGABYTE, `${before} bytes`);
    await pause(50);
    assert.equal(link.bytes, before);
  });
});

test("without a limit a link counts alone", async () => {
  await behind({}, async (get, link) => {
    const [{ bytes }] = await read(get, "whole.bin");
    assert.equal(bytes, MEGABYTE);
    assert.ok(link.bytes > MEGABYTE && link.bytes < 1.01 * MEGABYTE);
  });
});
