// The page in other browsers, where they are at hand: it loads a model, draws its bits, and answers.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { serveSite, TINY } from "./support/page.mjs";
import { drive, lack } from "./support/webdriver.mjs";

const PATIENCE_MS = 120_000;

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

for (const browser of ["firefox", "webkit"]) {
  const missing = lack(browser);
  test(`${browser}: the page loads, draws and answers`, { skip: missing ?? false }, async () => {
    const site = await serveSite(TINY);
    const page = await drive(browser);
    try {
      await page.go(`${site.url}?model=/model/`);
      const status = "return document.querySelector('[data-status]')?.dataset.status";
      await until(page, `${status} === "ready" || document.querySelector('[role=alert]') !== null`, "loading");
      assert.equal(await page.run(status), "ready", await page.run("return document.body.innerText"));
      await until(page, "return document.querySelectorAll('td[data-layer]').length >= 14", "the grid");
      await page.run(`
        const field = document.querySelector("#draft");
        field.value = "Once upon a time";
        field.dispatchEvent(new InputEvent("input", { bubbles: true }));
      `);
      await page.run("document.querySelector('form button.primary').click()");
      await until(
        page,
        "return (document.querySelector('article.assistant .text')?.textContent ?? '').length > 0",
        "an answer",
      );
    } finally {
      await page.close();
      await site.close();
    }
  });
}
