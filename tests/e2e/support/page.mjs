// The built page, served and opened in Chromium.

import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, symlink } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { serve } from "../../../pkg-scripts/serve.mjs";
import { CHROMIUM_FLAGS, findChromium } from "../../../pkg-scripts/shared/browser.mjs";
import { dist } from "../../../pkg-scripts/shared/folders.mjs";

export { modelFolder } from "../../../pkg-scripts/model.mjs";

const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");

/** A model of some kilobytes, whose quantiser measured what its matrices cost. */
export const TINY = fileURLToPath(new URL("../../golden/model-tiny", import.meta.url));

/** What axe-core finds wrong with the page as it is: names, labels, contrast, and targets that a finger would miss. */
export async function violations(page) {
  // The page's policy forbids added script elements, so axe comes through the debugger.
  await page.evaluate(await readFile(AXE, "utf8"));
  const { violations } = await page.evaluate(() => globalThis.axe.run({ rules: { "target-size": { enabled: true } } }));
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`);
}

/** Starts a browser; the caller closes it. */
export function startBrowser() {
  const executablePath = findChromium();
  if (!executablePath) throw new Error("no Chromium: install one, or name one in NOMUL_CHROMIUM");
  return chromium.launch({ executablePath, args: CHROMIUM_FLAGS });
}

/**
 * Serves the site under a path that is not the root, with a model folder at /model/. Answers with the site's address
 * and `close()`.
 */
export async function serveSite(folder) {
  const root = await mkdtemp(join(tmpdir(), "nomul-site-"));
  await symlink(dist, join(root, "some-path"));
  const served = await serve({ root, models: { model: folder } });
  const close = async () => {
    await served.close();
    await rm(root, { recursive: true });
  };
  return { url: `${served.url}some-path/`, close };
}

/** How much of the page has moved by itself so far, as browsers reckon it. */
export const shifted = (page) => page.evaluate(() => globalThis.shifts.reduce((sum, { value }) => sum + value, 0));

/** Runs in the page before its own scripts. */
function noteShifts() {
  globalThis.shifts = [];
  const note = (list) => {
    for (const { value, hadRecentInput, sources } of list.getEntries()) {
      if (!hadRecentInput) globalThis.shifts.push({ value, what: sources.map(({ node }) => node?.className ?? "") });
    }
  };
  new PerformanceObserver(note).observe({ type: "layout-shift", buffered: true });
}

/** Opens a page that notes what goes wrong in it. `quiet()` asserts that nothing did. */
export async function open(browser, address, options = {}) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  await page.addInitScript(noteShifts);
  const troubles = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) troubles.push(`${message.type()}: ${message.text()}`);
  });
  page.on("pageerror", (error) => troubles.push(String(error)));
  await page.goto(address);
  return { page, quiet: () => assert.deepEqual(troubles, []), close: () => context.close() };
}

/** Waits until the model answers. */
export function ready(page) {
  return page.waitForSelector('[data-status="ready"]');
}

/** Waits until all of the model is here: before that, answers come from the planes that are. */
export function complete(page) {
  return page.waitForSelector('[data-status="ready"].quiet');
}

/** Writes a message and sends it with the Enter key. */
export async function say(page, text) {
  await page.getByRole("textbox", { name: "Your message" }).fill(text);
  await page.keyboard.press("Enter");
}
