// The page and the package in other browsers, where they are at hand: both say what they say in Chromium.

import assert from "node:assert/strict";
import { cp } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { serve } from "../../pkg-scripts/serve.mjs";
import { OTHERS } from "../../pkg-scripts/shared/browser.mjs";
import { root } from "../../pkg-scripts/shared/folders.mjs";
import { serveSite, TINY } from "./support/page.mjs";
import { packedProject } from "./support/project.mjs";
import { drive, lack } from "./support/webdriver.mjs";

const PATIENCE_MS = 120_000;
/** The most probable tokens, a few of them. */
const GREEDY = "temperature=0&max_tokens=24";

/** Waits until a script answers with something that counts as true. */
async function until(page, script, what) {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    const found = await page.run(script);
    if (found) return found;
    if (Date.now() > end)
      assert.fail(`${what}: not within ${PATIENCE_MS / 1000} s; ${await page.run("return document.body.innerText")}`);
    await wait(100);
  }
}

/** What the page answers, once it has drawn what it loaded. */
async function askPage(page, url) {
  await page.go(`${url}?model=/model/#/chat?${GREEDY}`);
  const status = "document.querySelector('[data-status]')?.dataset.status";
  await until(page, `return ${status} === "ready" || document.querySelector("[role=alert]") !== null`, "loading");
  assert.equal(await page.run(`return ${status}`), "ready", await page.run("return document.body.innerText"));
  await until(page, "return document.querySelectorAll('td[data-layer]').length >= 14", "the grid");
  // All of the model, so that every browser answers with the same planes.
  await until(page, `return document.querySelector('[data-status="ready"].quiet') !== null`, "the rest");
  await page.run(`
    // How many times the answer has grown.
    globalThis.pieces = 0;
    let length = 0;
    new MutationObserver(() => {
      const now = document.querySelector("article.assistant .text")?.textContent.length ?? 0;
      if (now > length) globalThis.pieces++;
      length = now;
    }).observe(document.body, { subtree: true, childList: true, characterData: true });
    const field = document.querySelector("#draft");
    field.value = "Once upon a time";
    field.dispatchEvent(new InputEvent("input", { bubbles: true }));
  `);
  await page.run(`document.querySelector("form button.primary").click()`);
  await until(page, `return document.querySelector("article.assistant[data-state=done]") !== null`, "an answer");
  return page.run(`
    return { text: document.querySelector("article.assistant .text").textContent, pieces: globalThis.pieces };
  `);
}

/** What the package says in a page without a bundler. */
async function askPackage(page, url) {
  await page.go(url);
  await until(page, "return document.title === 'done'", "the example");
  return page.run(`return document.querySelector("#answer").textContent`);
}

let site, project, plain, expected;
const present = Object.keys(OTHERS).filter((browser) => lack(browser) === undefined);
before(async () => {
  if (present.length === 0) return;
  site = await serveSite(TINY);
  project = await packedProject();
  await cp(join(root, "examples", "html"), project.project, { recursive: true });
  await cp(join(root, "examples", "answer.mjs"), join(project.project, "answer.mjs"));
  plain = await serve({ root: project.project, models: { model: TINY } });
  const page = await drive("chromium");
  try {
    expected = { page: await askPage(page, site.url), package: await askPackage(page, plain.url) };
  } finally {
    await page.close();
  }
});
after(async () => {
  await site?.close();
  await plain?.close();
  await project?.close();
});

for (const [browser, { title }] of Object.entries(OTHERS)) {
  describe(title, { skip: lack(browser) ?? false }, () => {
    let page;
    before(async () => (page = await drive(browser)));
    after(() => page?.close());

    test("the page loads, draws, and streams the answer that it gives in Chromium", async () => {
      const { text, pieces } = await askPage(page, site.url);
      assert.equal(text, expected.page.text);
      assert.ok(pieces > 1, `the answer came in ${pieces} piece`);
    });

    test("the package, in a plain page with an import map, says what it says in Chromium", async () => {
      assert.ok(expected.package.length > 0);
      assert.equal(await askPackage(page, plain.url), expected.package);
    });
  });
}
