// Threads in a page: used where it is cross-origin isolated, done without where it is not, under a strict policy.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { ISOLATION } from "../../pkg-scripts/serve.mjs";
import { packageInChromium } from "../../pkg-scripts/shared/engines.mjs";
import { threadBuilds } from "../../web/lib/wasm/threads.js";
import { folder, goldenAnswer, isOther } from "../../web/lib/test/support/model.mjs";

const without = { skip: !threadBuilds && "the engines for several threads were not built" };

/** Runs in the page: loads with `options`, greedily continues the prompt; what ran, and the tokens. */
async function answer([options, prompt, max_tokens]) {
  const { load } = await import("/build/index.js");
  const model = await load("/model/", options);
  const { choices } = await model.complete({ prompt, max_tokens, temperature: 0 });
  await model.dispose();
  const { build, threads, buildReason } = model.info;
  return { build, threads, buildReason, tokens: choices[0].tokens };
}

const capabilities = async () => (await import("/build/index.js")).detect();

describe("a page that is isolated", without, () => {
  let page, close;
  before(async () => ({ page, close } = await packageInChromium(folder, { isolated: true })));
  after(() => close?.());

  test("is told that it has threads", async () => {
    const { threads, crossOriginIsolated, autoThreads, build, reason } = await page.evaluate(capabilities);
    assert.deepEqual([threads, crossOriginIsolated], [true, true]);
    const processors = await page.evaluate(() => navigator.hardwareConcurrency);
    assert.equal(build, processors > 1 ? "relaxed-threads" : "relaxed");
    assert.match(reason, new RegExp(`threads: ${autoThreads}\\.$`));
  });

  for (const threads of [1, 2, 4]) {
    test(`threads: ${threads} gives the tokens of the native command`, { skip: isOther }, async () => {
      const { prompt_tokens, tokens } = await goldenAnswer();
      const found = await page.evaluate(answer, [{ threads }, prompt_tokens, tokens.length]);
      assert.deepEqual([found.build, found.threads], [threads > 1 ? "relaxed-threads" : "relaxed", threads]);
      assert.deepEqual(found.tokens, tokens);
    });
  }

  test("an abort in the middle of the prompt leaves a model that answers", async () => {
    const [name, share, tokens, alone] = await page.evaluate(async () => {
      const { load } = await import("/build/index.js");
      const prompt = Array.from({ length: 200 }, (_, index) => 1 + (index % 50));
      const request = { prompt, max_tokens: 4, temperature: 0 };
      const model = await load("/model/", { threads: 2 });
      const controller = new AbortController();
      let share = 0;
      const onPrefill = (done, total) => {
        share = done / total;
        controller.abort();
      };
      const { name } = await model.complete({ ...request, signal: controller.signal, onPrefill }).catch((e) => e);
      const one = await load("/model/", { threads: 1 });
      const tokens = async (model) => (await model.complete(request)).choices[0].tokens;
      return [name, share, await tokens(model), await tokens(one)];
    });
    assert.equal(name, "AbortError");
    assert.ok(share > 0 && share < 1, String(share));
    assert.deepEqual(tokens, alone);
  });

  test("numbers of threads that cannot be are refused", async () => {
    const codes = await page.evaluate(async () => {
      const { load } = await import("/build/index.js");
      const refused = [0, 33, 1e9, 2.5].map((threads) => load("/model/", { threads }).catch((error) => error.code));
      return Promise.all(refused);
    });
    assert.deepEqual(codes, ["input", "input", "input", "input"]);
  });

  test("threads end with the model, also in the middle of an answer", async () => {
    const workers = async (count) => {
      for (let tries = 0; page.workers().length !== count && tries < 100; tries++) await page.waitForTimeout(50);
      return page.workers().length;
    };
    await page.reload();
    await page.evaluate(async () => {
      const { load } = await import("/build/index.js");
      globalThis.model = await load("/model/", { threads: 3 });
      globalThis.answer = globalThis.model.complete({ prompt: [1], max_tokens: 1000 }).catch((error) => error.code);
    });
    assert.equal(await workers(3), 3);
    assert.equal(await page.evaluate(() => globalThis.model.dispose().then(() => globalThis.answer)), "disposed");
    assert.equal(await workers(0), 0);
  });

  test("threads that cannot be started leave one, which says why", { skip: isOther }, async () => {
    const { prompt_tokens, tokens } = await goldenAnswer();
    // A worker in which no script of a thread is found.
    const patch = "const { Worker } = self; self.Worker = class extends Worker { constructor() { super('/no.js'); } };";
    const scripts = { "/patch.js": patch, "/patched.js": 'import "/patch.js"; import "/build/worker.js";' };
    for (const [path, body] of Object.entries(scripts)) {
      await page
        .context()
        .route(`**${path}`, (route) => route.fulfill({ contentType: "text/javascript", headers: ISOLATION, body }));
    }
    const options = { threads: 2, workerUrl: "/patched.js" };
    const found = await page.evaluate(answer, [options, prompt_tokens, tokens.length]);
    assert.deepEqual([found.build, found.threads], ["relaxed", 1]);
    assert.match(found.buildReason, /^One thread: the script of the threads could not be loaded\.$/);
    assert.deepEqual(found.tokens, tokens);
  });
});

describe("a page that is not isolated", () => {
  let page, close;
  before(async () => ({ page, close } = await packageInChromium(folder)));
  after(() => close?.());

  test("has one thread, is told why, and gives the same tokens", { skip: isOther }, async () => {
    const { threads, crossOriginIsolated, build, reason } = await page.evaluate(capabilities);
    assert.deepEqual([threads, crossOriginIsolated, build], [false, false, "relaxed"]);
    if (threadBuilds) assert.match(reason, /one thread: the page is not cross-origin isolated/);
    const { prompt_tokens, tokens } = await goldenAnswer();
    for (const options of [{}, { threads: 2 }]) {
      const found = await page.evaluate(answer, [options, prompt_tokens, tokens.length]);
      assert.deepEqual([found.build, found.threads, found.buildReason], ["relaxed", 1, reason]);
      assert.deepEqual(found.tokens, tokens);
    }
  });

  test("cannot be asked for an engine with threads", async () => {
    const message = await page.evaluate(async () => {
      const { load } = await import("/build/index.js");
      return load("/model/", { build: "simd-threads" }).catch((error) => `${error.code}: ${error.message}`);
    });
    assert.match(message, /^unsupported: build "simd-threads" was asked for\..*one thread/);
  });
});
