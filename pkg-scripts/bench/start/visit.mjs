// One visit in a browser of its own, with a profile that may have been there before.

import { CHROMIUM_FLAGS, findChromium } from "../../shared/browser.mjs";
import { Failure } from "../../shared/command.mjs";

/**
 * Opens a page with the profile in the folder `profile`, and waits for nothing longer than `patience` milliseconds. Answers
 * with what `work(page)` answers with and the version of the browser.
 */
async function inBrowser(profile, patience, work) {
  const { chromium } = await import("playwright-core");
  const options = { executablePath: findChromium(), args: CHROMIUM_FLAGS };
  const context = await chromium.launchPersistentContext(profile, options);
  context.setDefaultTimeout(patience);
  try {
    return { browser: context.browser().version(), ...(await work(await context.newPage())) };
  } catch (error) {
    throw error instanceof Failure
      ? error
      : new Failure(error.message.split("\n")[0].replace(/^page\.\w+: (Error: )?/, ""));
  } finally {
    await context.close();
  }
}

/** How long a visitor stays who has an answer, in milliseconds. */
const STAY = 1500;

/** Opens an engine, asks it, and stays for a moment. Moments are in milliseconds from the navigation. */
export const visitEngine = (profile, url, patience) =>
  inBrowser(profile, patience, async (page) => {
    await page.goto(url);
    const found = await page.evaluate((patience) => {
      const late = new Promise((_, failed) => setTimeout(() => failed(new Error("it takes too long")), patience));
      return Promise.race([globalThis.outcome, late]);
    }, patience);
    if (found.first_token === undefined) throw new Failure("no token came");
    await page.waitForTimeout(STAY);
    return found;
  });

/** Runs in the page before its own scripts, and notes when what a visitor waits for is there first. */
function watch() {
  const moments = {};
  const note = (name) => {
    if (moments[name] !== undefined) return;
    moments[name] = performance.now();
    // For traces.
    performance.mark(name);
  };
  performance.mark("begin");
  const look = () => {
    if (document.querySelector("textarea")) note("page");
    if (document.querySelector('[data-status="ready"]')) note("usable");
    if (document.querySelector('[data-status="ready"].quiet')) note("all");
    if (document.querySelector("article.assistant .text")?.textContent) note("token");
  };
  new MutationObserver(look).observe(document, {
    subtree: true,
    childList: true,
    attributes: true,
    characterData: true,
  });
  addEventListener("keydown", ({ key }) => key === "Enter" && note("asked"), true);
  addEventListener("keydown", ({ key }) => key === "Escape" && note("stopped"), true);
  globalThis.note = note;
  /** How long the page was busy at a stretch, where that was over 50 ms. */
  moments.tasks = [];
  const tasks = new PerformanceObserver((list) =>
    moments.tasks.push(...list.getEntries().map((task) => task.duration)),
  );
  tasks.observe({ type: "longtask", buffered: true });
  const paints = new PerformanceObserver((list) => {
    for (const { name, startTime } of list.getEntries()) {
      if (name !== "first-contentful-paint") continue;
      moments.paint = startTime;
      const resources = performance.getEntriesByType("resource");
      moments.scripts = resources.filter(({ name }) => name.endsWith(".js")).map(({ name }) => name);
    }
  });
  paints.observe({ type: "paint", buffered: true });
  globalThis.moments = moments;
}

/**
 * Opens the page as a visitor does, asks `question`, reads a few words, waits for the rest of the model and stays for a
 * moment. Moments as above, and the longest time that the page did not react. With categories to `trace` it looks at the
 * treemap too, and answers with what the browser wrote down.
 */
export const visitPage = (profile, url, patience, question, { trace: categories } = {}) =>
  inBrowser(profile, patience, async (page) => {
    const browser = page.context().browser();
    await page.addInitScript(watch);
    if (categories) await browser.startTracing(page, { categories });
    await page.goto(url);
    await page.waitForSelector('[data-status="ready"], [data-status="failed"], [data-status="unsupported"]');
    if (!(await page.$('[data-status="ready"]'))) throw new Failure("the page could not load the model");
    await page.getByRole("textbox", { name: "Your message" }).fill(question);
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => {
      const answer = document.querySelector("article.assistant");
      return answer?.querySelector(".text")?.textContent.length > 80 || answer?.dataset.state === "done";
    });
    await page.keyboard.press("Escape");
    await page.waitForFunction(() => globalThis.moments.all !== undefined);
    let traced = {};
    if (categories) {
      await page.evaluate(() => globalThis.note("map"));
      await page.getByRole("radio", { name: "sizes" }).check();
      await page.getByRole("option").first().waitFor();
      // All pieces are there when a second has brought none.
      await page.waitForTimeout(1000);
      await page.evaluate(() => globalThis.note("drawn"));
      const trace = JSON.parse(String(await browser.stopTracing()));
      traced = { trace, cells: await page.evaluate(() => document.querySelectorAll("[role=option]").length) };
    }
    await page.waitForTimeout(STAY);
    const { page: there, usable, asked, token, all, ...rest } = await page.evaluate(() => globalThis.moments);
    const { paint: first_paint, scripts, tasks } = rest;
    const longest_task = tasks.length > 0 ? Math.max(...tasks) : undefined;
    // Whoever asks takes time; the one here asks at once.
    const first_token = usable + token - asked;
    return { page: there, first_paint, scripts, usable, first_token, all, longest_task, tasks, ...traced };
  });
