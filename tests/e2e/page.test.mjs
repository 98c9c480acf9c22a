// What a visitor does: load, talk, stop, look at the bits; by mouse, by keyboard and by ear.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { misbehave } from "../../web/lib/test/support/server.mjs";
import {
  complete,
  modelFolder,
  open,
  ready,
  say,
  serveSite,
  shifted,
  startBrowser,
  violations,
} from "./support/page.mjs";

const SIZES = {
  narrow: { width: 360, height: 740 },
  wide: { width: 1280, height: 860 },
  widest: { width: 2560, height: 1300 },
};

let browser, site, folder;

before(async () => {
  folder = await modelFolder({ effort: "fast" });
  browser = await startBrowser();
  site = await serveSite(folder);
});

after(async () => {
  await browser?.close();
  await site?.close();
});

/** The page's address with a model at `/model/` of the same server. */
const address = () => `${site.url}?model=/model/`;

for (const size of Object.keys(SIZES)) {
  for (const colorScheme of ["light", "dark"]) {
    test(`${size}, ${colorScheme}: loads, answers, and everyone can use it`, async () => {
      const viewport = SIZES[size];
      const { page, quiet, close } = await open(browser, address(), { viewport, colorScheme });
      await complete(page);
      // Nothing that was there has moved while the model came and its matrices were drawn.
      assert.ok((await shifted(page)) < 0.05, JSON.stringify(await page.evaluate(() => globalThis.shifts)));
      await say(page, "What is gravity?");
      await page.waitForSelector("article.assistant .text");
      await page.keyboard.press("Escape");
      await page.getByRole("button", { name: "Sampling" }).click();
      for (const summary of await page.getByText("As a table").all()) await summary.click();
      assert.deepEqual(await violations(page), []);
      assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= viewport.width);
      quiet();
      await close();
    });
  }
}

test("how long the page is ever busy at a stretch is seen, and told", async (t) => {
  const { page, quiet, close } = await open(browser, "about:blank", { viewport: SIZES.wide });
  await page.addInitScript(() => {
    globalThis.tasks = [];
    const note = (list) => globalThis.tasks.push(...list.getEntries().map(({ duration }) => duration));
    new PerformanceObserver(note).observe({ type: "longtask", buffered: true });
  });
  await page.goto(address());
  await complete(page);
  await say(page, "What is gravity?");
  await page.waitForFunction(() => document.querySelector("article.assistant .text")?.textContent.length > 80);
  await page.keyboard.press("Escape");
  await page.getByRole("radio", { name: "sizes" }).check();
  await page.getByRole("option").first().waitFor();
  const tasks = await page.evaluate(() => globalThis.tasks);
  // Time is no test, here least of all; the benchmark of the page records it.
  t.diagnostic(
    `longest task: ${tasks.length > 0 ? `${Math.max(...tasks)} ms` : "none over 50 ms"} (${tasks.length} seen)`,
  );
  // A task that is long would have been seen.
  await page.evaluate(() => {
    setTimeout(() => {
      const end = performance.now() + 120;
      while (performance.now() < end);
    });
  });
  await page.waitForFunction((before) => globalThis.tasks.length > before, tasks.length);
  quiet();
  await close();
});

describe("talking", () => {
  let page, quiet, close;
  before(async () => {
    ({ page, quiet, close } = await open(browser, address(), { viewport: SIZES.wide }));
    await complete(page);
    await page.getByRole("button", { name: "Sampling" }).click();
    await page.getByLabel("Temperature").fill("0");
  });
  after(() => close?.());

  const answer = () => page.locator("article.assistant").last();

  test("an answer streams in, and its speed is shown", async () => {
    await page.getByLabel("Most tokens").fill("24");
    await page.evaluate(() => {
      globalThis.lengths = new Set();
      const log = document.querySelector("[role=log]");
      const note = () => globalThis.lengths.add(log.querySelector("article.assistant .text")?.textContent.length ?? 0);
      new MutationObserver(note).observe(log, { subtree: true, childList: true, characterData: true });
    });
    await say(page, "What is gravity?");
    await page.waitForSelector("article.assistant[data-state=done]");
    const lengths = await page.evaluate(() => [...globalThis.lengths]);
    assert.ok(lengths.length > 5, `seen lengths: ${lengths}`);
    for (const name of ["first", "prefill", "decode"]) {
      assert.match(await page.locator(`[data-stat=${name}]`).innerText(), /^[\d.]+ (s|tokens\/s)$/);
    }
  });

  test("greedy, the same question has the same answer", async () => {
    const first = await answer().locator(".text").innerText();
    await page.getByRole("button", { name: "Regenerate" }).click();
    await page.waitForFunction(
      () =>
        document.querySelectorAll("article.assistant").length === 1 && !document.querySelector("[data-state=writing]"),
    );
    assert.equal(await answer().locator(".text").innerText(), first);
  });

  test("Escape stops, what was written stays, and the next question works", async () => {
    await page.getByLabel("Most tokens").fill("1000");
    await say(page, "Tell me a long story about a whale.");
    await page.waitForFunction(() => [...document.querySelectorAll("article.assistant")].at(-1).innerText.length > 40);
    await page.keyboard.press("Escape");
    await page.waitForSelector("article.assistant[data-state=stopped]");
    assert.ok((await answer().innerText()).length > 40);

    await page.getByLabel("Most tokens").fill("4");
    await say(page, "And now?");
    await page.waitForFunction(() => document.querySelectorAll("article.assistant[data-state=done]").length === 2);
  });

  test("the Stop button stops", async () => {
    await page.getByLabel("Most tokens").fill("1000");
    await say(page, "Tell me another long story.");
    await page.getByRole("button", { name: "Stop" }).click();
    await page.waitForSelector("[data-state=writing]", { state: "detached" });
  });

  test("markup in a message is text", async () => {
    await page.getByLabel("Most tokens").fill("2");
    await say(page, "<img src=x onerror=alert(1)>");
    assert.equal(await page.locator("article img").count(), 0);
    assert.equal(
      await page.locator("article.user").last().locator(".text").innerText(),
      "<img src=x onerror=alert(1)>",
    );
    await page.waitForSelector("[data-state=writing]", { state: "detached" });
  });

  test("Clear empties the conversation", async () => {
    await page.getByRole("button", { name: "Clear" }).click();
    assert.equal(await page.locator("article").count(), 0);
    quiet();
  });
});

describe("loading", () => {
  test("progress shows, and Cancel stops the traffic; loading again works", async () => {
    let stalled = true;
    const never = new Promise(() => {});
    const server = await misbehave(`${folder}/`, (file) =>
      stalled && file.endsWith(".safetensors") ? { wait: never } : { part: 1 << 20 },
    );
    const { page, close } = await open(browser, `${site.url}?model=${server.url}`);
    await page.getByText(/ of .* [kM]B/).waitFor();
    assert.ok(Number(await page.locator("progress").getAttribute("value")) > 0);
    await page.getByRole("button", { name: "Cancel" }).click();
    await page.waitForSelector('[data-status="cancelled"]');
    const requests = server.log.length;
    await page.waitForTimeout(200);
    assert.ok(server.log.at(-1).cut);
    assert.equal(server.log.length, requests);
    stalled = false;
    await page.getByRole("button", { name: "Load the model" }).click();
    await ready(page);
    await close();
    await server.close();
  });

  test("answers come before all of the model has, and sharpen while they are written", async () => {
    let release;
    const gate = new Promise((resolve) => (release = resolve));
    const later = (file) => /-level-([2-9])-/.test(file);
    const server = await misbehave(`${folder}/`, (file) => ({ part: 1 << 20, wait: later(file) ? gate : undefined }));
    const { page, quiet, close } = await open(browser, `${site.url}?model=${server.url}`);
    await ready(page);
    assert.equal(await page.locator('[data-status="ready"].quiet').count(), 0);
    await page.getByText("answers sharpen as bits come").waitFor();
    await page.getByRole("button", { name: "Sampling" }).click();
    await page.getByLabel("Most tokens").fill("400");
    await say(page, "Tell me a long story about a whale.");
    await page.waitForFunction(() => document.querySelector("article.assistant .text")?.textContent.length > 40);
    release();
    await complete(page);
    await page.getByText(/Written with levels 1 to \d of \d/).waitFor();
    assert.equal(await page.locator("article.assistant[data-state=failed]").count(), 0);
    await page.keyboard.press("Escape");
    quiet();
    await close();
    await server.close();
  });

  test("a second visit takes the weights from the browser's cache", async () => {
    const server = await misbehave(`${folder}/`, () => ({ part: 1 << 20 }));
    const context = await browser.newContext();
    const visit = async () => {
      const page = await context.newPage();
      const before = server.log.length;
      await page.goto(`${site.url}?model=${server.url}`);
      await page.getByText("All of the model is here").waitFor();
      await page.close();
      return server.log.slice(before).filter(({ file }) => file.endsWith(".safetensors")).length;
    };
    assert.ok((await visit()) > 1);
    assert.equal(await visit(), 0);
    await context.close();
    await server.close();
  });

  test("a model that is not there is told in one clear line", async () => {
    const { page, close } = await open(browser, `${site.url}?model=/nothing/`);
    const alert = page.getByRole("alert");
    await alert.waitFor();
    assert.match(await alert.innerText(), /could not be loaded[^]*config\.json: there is no such file/);
    await close();
  });

  test("a browser without SIMD is told so", async () => {
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.addInitScript(() => {
      WebAssembly.validate = () => false;
    });
    await page.goto(address());
    assert.match(await page.getByRole("alert").innerText(), /cannot run the model[^]*no WebAssembly SIMD/);
    await context.close();
  });
});
