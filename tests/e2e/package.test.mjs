// The package as a web developer uses it: published files, no bundler, a strict policy, in a plain page.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { root } from "../../pkg-scripts/shared/folders.mjs";
import { packageInChromium } from "../../pkg-scripts/shared/engines.mjs";
import { folder, goldenAnswer, isOther } from "../../web/lib/test/support/model.mjs";

let page, close;
before(async () => ({ page, close } = await packageInChromium(folder)));
after(() => close?.());

test("both builds are found and give the same logits", async () => {
  const [simd, relaxed] = await page.evaluate(async () => {
    const { load } = await import("/build/index.js");
    const logits = async (build) => {
      const model = await load("/model/", { build, cache: false });
      const values = [...(await model.logits([1, 2, 3]))];
      await model.dispose();
      return values;
    };
    return [await logits("simd"), await logits("relaxed")];
  });
  assert.ok(simd.length > 0);
  assert.deepEqual(simd, relaxed);
});

for (const build of ["simd", "relaxed"]) {
  test(`${build}: greedy, the tokens are those of the native command`, { skip: isOther }, async () => {
    const { prompt_tokens, tokens } = await goldenAnswer();
    const found = await page.evaluate(
      async ([build, prompt, max_tokens]) => {
        const { load } = await import("/build/index.js");
        const model = await load("/model/", { build });
        const { choices } = await model.complete({ prompt, max_tokens, temperature: 0 });
        return choices[0].tokens;
      },
      [build, prompt_tokens, tokens.length],
    );
    assert.deepEqual(found, tokens);
  });
}

test("an abort while the answer streams", async () => {
  const result = await page.evaluate(async () => {
    const { load } = await import("/build/index.js");
    const model = await load("/model/");
    const controller = new AbortController();
    const request = { prompt: [1], max_tokens: 1000, temperature: 1, stream: true, signal: controller.signal };
    let parts = 0;
    try {
      for await (const _ of model.complete(request)) if (++parts === 3) controller.abort();
    } catch (error) {
      return { parts, name: error.name, isDomException: error instanceof DOMException };
    } finally {
      await model.dispose();
    }
  });
  assert.deepEqual(result, { parts: 3, name: "AbortError", isDomException: true });
});

test("an error of the engine keeps its code", async () => {
  const result = await page.evaluate(async () => {
    const { load, NomulError } = await import("/build/index.js");
    const model = await load("/model/");
    const error = await model.complete({ prompt: [] }).catch((error) => error);
    return { code: error.code, isNomulError: error instanceof NomulError };
  });
  assert.deepEqual(result, { code: "input", isNomulError: true });
});

test("1,000 random aborts hang nothing, and loading that is given up leaves no worker", async (t) => {
  // Models of the tests before are still there.
  const before = page.workers().length;
  const outcome = await page.evaluate(async () => {
    const { load } = await import("/build/index.js");
    const { aborts } = await import("/test/support/aborts.mjs");
    const model = await load("/model/");
    const outcome = await aborts(model, { count: 1000, seed: 3 });
    await model.dispose();
    for (let round = 0; round < 10; round++) {
      await load("/model/", { signal: AbortSignal.timeout(round * 10) }).then(
        (model) => model.dispose(),
        (error) => error.name === "AbortError" || outcome.failed.push(String(error)),
      );
    }
    return outcome;
  });
  assert.deepEqual(outcome.failed, []);
  assert.equal(outcome.aborted + outcome.finished, 1000);
  assert.ok(outcome.aborted > 100 && outcome.finished > 50, JSON.stringify(outcome));
  t.diagnostic(`${outcome.aborted} were aborted, ${outcome.finished} had an answer before`);
  // The browser tells a moment later that they have ended.
  for (let tries = 0; page.workers().length > before && tries < 100; tries++) await page.waitForTimeout(50);
  assert.equal(page.workers().length, before);
});

/** Bytes that the page holds: of objects, and of buffers and memories beside them. */
async function held(session) {
  await session.send("HeapProfiler.collectGarbage");
  const { usedSize, embedderHeapUsedSize = 0, backingStorageSize = 0 } = await session.send("Runtime.getHeapUsage");
  return usedSize + embedderHeapUsedSize + backingStorageSize;
}

/** Bytes of all processes that draw pages, as the system counts them; NaN where it does not tell. */
async function resident() {
  const browserSession = await page.context().browser().newBrowserCDPSession();
  const { processInfo } = await browserSession.send("SystemInfo.getProcessInfo");
  await browserSession.detach();
  const pages = processInfo.filter(({ type }) => type === "renderer");
  const each = pages.map(async ({ id }) => {
    const status = await readFile(`/proc/${id}/status`, "utf8").catch(() => "");
    return 1024 * Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]);
  });
  return (await Promise.all(each)).reduce((sum, bytes) => sum + bytes, 0);
}

test("50 times loaded and disposed of: no worker and no memory stays", async (t) => {
  const session = await page.context().newCDPSession(page);
  const workers = page.workers().length;
  const cycles = (count) =>
    page.evaluate(async (count) => {
      const { load } = await import("/build/index.js");
      for (let i = 0; i < count; i++) {
        const model = await load("/model/");
        await model.complete({ prompt: [1], max_tokens: 4, temperature: 0 });
        await model.dispose();
      }
    }, count);
  const gone = async () => {
    for (let tries = 0; page.workers().length > workers && tries < 100; tries++) await page.waitForTimeout(50);
    assert.equal(page.workers().length, workers);
  };
  // What is loaded once and stays: compiled code, pools.
  await cycles(10);
  await gone();
  const before = [await held(session), await resident()];
  await cycles(50);
  await gone();
  const after = [await held(session), await resident()];
  const [grown, process] = after.map((bytes, place) => (bytes - before[place]) / 1e6);
  t.diagnostic(`grown by ${grown.toFixed(2)} MB, the process by ${process.toFixed(1)} MB`);
  assert.ok(grown < 5, `${grown} MB`);
  await session.detach();
});

test("an answer follows its schema", async () => {
  const text = await page.evaluate(async () => {
    const { load } = await import("/build/index.js");
    const model = await load("/model/");
    const schema = {
      type: "object",
      properties: { ok: { type: "boolean" } },
      required: ["ok"],
      additionalProperties: false,
    };
    const format = { type: "json_schema", json_schema: { schema } };
    const { choices } = await model.complete({ prompt: "{", temperature: 0, max_tokens: 200, response_format: format });
    await model.dispose();
    return choices[0].text;
  });
  assert.equal(typeof JSON.parse(text).ok, "boolean");
});

test("a worker that is not there is told", async () => {
  const message = await page.evaluate(async () => {
    const { load } = await import("/build/index.js");
    return load("/model/", { workerUrl: "/nowhere.js" }).catch((error) => `${error.code}: ${error.message}`);
  });
  assert.match(message, /^internal: the worker failed/);
});

test("the package says what it is", async () => {
  const { exports, sideEffects, license } = JSON.parse(
    await readFile(join(root, "web", "lib", "package.json"), "utf8"),
  );
  assert.equal(sideEffects, false);
  assert.equal(license, "MIT OR Apache-2.0");
  assert.equal(Object.keys(exports["."])[0], "types");
});
