// What a visitor does: load, talk, stop, look at the bits; by mouse, by keyboard and by ear.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { after, before, describe, test } from "node:test";
import { command } from "../../pkg-scripts/shared/engines.mjs";
import { misbehave } from "../../web/lib/test/support/server.mjs";
import { complete, modelFolder, open, ready, say, serveSite, startBrowser } from "./support/page.mjs";

const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
const SIZES = { wide: { width: 1280, height: 860 }, narrow: { width: 360, height: 740 } };

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

async function seriousViolations(page) {
  // The page's policy forbids added script elements, so axe comes through the debugger.
  await page.evaluate(await readFile(AXE, "utf8"));
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  return violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`);
}

for (const [size, colorScheme] of [
  ["wide", "light"],
  ["narrow", "dark"],
]) {
  test(`${size}, ${colorScheme}: loads, answers, and everyone can use it`, async () => {
    const viewport = SIZES[size];
    const { page, quiet, close } = await open(browser, address(), { viewport, colorScheme });
    await ready(page);
    await say(page, "What is gravity?");
    await page.waitForSelector("article.assistant .text");
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Sampling" }).click();
    await page.getByText("As a table").click();
    assert.deepEqual(await seriousViolations(page), []);
    assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= viewport.width);
    quiet();
    await close();
  });
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
  await page.getByRole("radio", { name: "bytes" }).check();
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
    const first = await answer().innerText();
    await page.getByRole("button", { name: "Regenerate" }).click();
    await page.waitForFunction(
      () =>
        document.querySelectorAll("article.assistant").length === 1 && !document.querySelector("[data-state=writing]"),
    );
    assert.equal(await answer().innerText(), first);
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

describe("the bits", () => {
  let page, quiet, close;
  before(async () => {
    ({ page, quiet, close } = await open(browser, address(), { viewport: SIZES.wide }));
    await ready(page);
    await page.waitForSelector("td[data-layer]");
  });
  after(() => close?.());

  test("a row for each layer, a cell for each matrix", async () => {
    const config = JSON.parse(await readFile(`${folder}/config.json`, "utf8"));
    const { matrices } = config.quantization_config;
    assert.equal(await page.locator("td[data-layer]").count(), 7 * config.num_hidden_layers);
    for (const [name, { prefixes }] of Object.entries(matrices)) {
      const planes = String(prefixes.at(-1));
      assert.equal(await page.locator(`td[data-name="${name}"]`).getAttribute("data-bits"), planes, name);
    }
  });

  test("arrow keys walk it, and the matrix in focus is told", async () => {
    await page.locator('td[data-layer="0"][data-kind="q"]').focus();
    for (const key of ["ArrowDown", "ArrowRight", "ArrowRight"]) await page.keyboard.press(key);
    assert.equal(await page.evaluate(() => document.activeElement.dataset.name), "model.layers.1.self_attn.v_proj");
    assert.match(await page.locator(".detail").innerText(), /model\.layers\.1\.self_attn\.v_proj/);
  });

  test("the treemap shows bytes as areas, by keyboard too, and everyone can use it", async () => {
    await page.getByRole("radio", { name: "bytes" }).check();
    const pieces = page.getByRole("option");
    await pieces.first().waitFor();
    const { matrices } = await command("native", "inspect", folder, []);
    const total = matrices.reduce((sum, { bytes }) => sum + bytes, 0);
    const areas = await pieces.evaluateAll((all) => all.map(({ dataset }) => [dataset.name, Number(dataset.area)]));
    assert.equal(areas.length, matrices.length);
    const whole = areas.reduce((sum, [, area]) => sum + area, 0);
    for (const { name, bytes } of matrices) {
      const share = areas.find(([each]) => each === name)[1] / whole;
      assert.ok(Math.abs(share / (bytes / total) - 1) < 1e-9, `${name}: ${share}`);
    }
    await pieces.first().focus();
    await page.keyboard.press("ArrowRight");
    assert.equal(await page.locator(":focus").getAttribute("data-name"), areas[1][0]);
    assert.equal(await page.locator(".detail .name").textContent(), areas[1][0]);
    await page.getByRole("radio", { name: "error" }).check();
    assert.deepEqual(await seriousViolations(page), []);
    await page.getByRole("radio", { name: "layers" }).check();
    await page.getByRole("grid").waitFor();
  });

  test("fewer planes answer too", async () => {
    await page.getByRole("radio", { name: "2", exact: true }).check();
    await say(page, "What is gravity?");
    await page.waitForSelector("article.assistant .text");
    await page.keyboard.press("Escape");
    await page.getByRole("radio", { name: "all", exact: true }).check();
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
    await page.getByText("answers sharpen as more bits come").waitFor();
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
      await page.getByText(/ · \d+ levels? of bits/).waitFor();
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
