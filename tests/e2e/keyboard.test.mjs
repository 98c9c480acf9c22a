// Every view by the Tab key alone: all that can be used is reached, is seen to be in focus, and lets go again.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { complete, open, serveSite, startBrowser, TINY } from "./support/page.mjs";

let browser, site;
before(async () => {
  browser = await startBrowser();
  site = await serveSite(TINY);
});
after(async () => {
  await browser?.close();
  await site?.close();
});

/** What has to be there before the walk begins. */
const PREPARED = {
  chat: complete,
  graph: async (page) => {
    await page.getByRole("button", { name: "Try a karate club" }).press("Enter");
    await page.waitForSelector("[data-graph=done]");
  },
  json: async (page) => {
    await page.getByRole("button", { name: "Try forty countries" }).press("Enter");
    await page.getByRole("list", { name: "Documents like it" }).waitFor();
  },
  models: (page) => page.getByRole("heading").first().waitFor(),
};

/** Marks everything that the Tab key ought to reach, and tells what it is; of radio buttons one of each group. */
function mark() {
  const shown = (element) => element.checkVisibility({ visibilityProperty: true });
  const groups = new Set();
  return [...document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex='0']")]
    .filter((element) => shown(element) && !element.matches(":disabled") && element.tabIndex >= 0)
    .filter((element) => {
      if (element.type !== "radio") return true;
      if (groups.has(element.name)) return false;
      groups.add(element.name);
      return true;
    })
    .map((element, place) => {
      element.dataset.stop = element.type === "radio" ? element.name : String(place);
      return { stop: element.dataset.stop, html: element.outerHTML.slice(0, 120) };
    });
}

/** What is in focus, and whether that is seen. */
function focused() {
  const element = document.activeElement;
  if (element === null || element === document.body) return undefined;
  const stop = element.type === "radio" ? element.name : element.dataset.stop;
  const { outlineStyle } = getComputedStyle(element);
  // A piece of the treemap has a ring of its own.
  return { stop, seen: outlineStyle !== "none", html: element.outerHTML.slice(0, 120) };
}

for (const [view, prepare] of Object.entries(PREPARED)) {
  test(`${view}: the Tab key goes everywhere and stays nowhere`, async () => {
    const { page, quiet, close } = await open(browser, `${site.url}?model=/model/#/${view}`);
    await prepare(page);
    await page.evaluate(() => document.activeElement.blur());
    const wanted = await page.evaluate(mark);
    assert.ok(wanted.length > 5, JSON.stringify(wanted));
    const reached = new Set();
    // From the beginning of the page to its end; some presses more, for what the focus itself brings.
    await page.evaluate(() => {
      document.body.tabIndex = -1;
      document.body.focus();
    });
    for (let press = 0; press < wanted.length + 30; press++) {
      await page.keyboard.press("Tab");
      const now = await page.evaluate(focused);
      if (now === undefined) break;
      assert.ok(now.seen, `in focus and not seen: ${now.html}`);
      reached.add(now.stop);
    }
    const missed = wanted.filter(({ stop }) => !reached.has(stop));
    assert.deepEqual(missed, []);
    quiet();
    await close();
  });
}
