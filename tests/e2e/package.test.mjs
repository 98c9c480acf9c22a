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

test("random aborts hang nothing, and loading and disposing leaves no worker", async () => {
  // Models of the tests before are still there.
  const before = page.workers().length;
  const outcome = await page.evaluate(async () => {
    const { load } = await import("/build/index.js");
    const { aborts } = await import("/test/support/aborts.mjs");
    const model = await load("/model/");
    const outcome = await aborts(model, { count: 200, seed: 3 });
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
  assert.equal(outcome.aborted + outcome.finished, 200);
  assert.ok(outcome.aborted > 30 && outcome.finished > 10, JSON.stringify(outcome));
  // The browser tells a moment later that they have ended.
  for (let tries = 0; page.workers().length > before && tries < 100; tries++) await page.waitForTimeout(50);
  assert.equal(page.workers().length, before);
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
