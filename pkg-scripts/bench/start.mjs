// From an address to the first word: the built page in Chromium, the first time and again.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "../build.mjs";
import { modelFolder } from "../model.mjs";
import { serve } from "../serve.mjs";
import { CHROMIUM_FLAGS, findChromium } from "../shared/browser.mjs";
import { Failure, fromUser, say } from "../shared/command.mjs";
import { chosenRounds } from "../shared/engines.mjs";
import { dist } from "../shared/folders.mjs";
import { spread } from "../shared/statistics.mjs";

const QUESTION = "What is gravity?";

/** Runs in the page before its own scripts, and notes when what a visitor waits for is there first. */
function watch() {
  const moments = {};
  const note = (name) => (moments[name] ??= performance.now());
  const look = () => {
    if (document.querySelector("textarea")) note("page");
    if (document.querySelector('[data-status="ready"]')) note("usable");
    if (document.querySelector("article.assistant .text")?.textContent) note("token");
  };
  new MutationObserver(look).observe(document, { subtree: true, childList: true, attributes: true });
  addEventListener("keydown", ({ key }) => key === "Enter" && note("asked"), true);
  globalThis.moments = moments;
}

/** One visit with the profile in `folder`, in a browser of its own. Seconds from the navigation. */
async function visit(folder, url) {
  const { chromium } = await import("playwright-core");
  const options = { executablePath: findChromium(), args: CHROMIUM_FLAGS };
  const context = await chromium.launchPersistentContext(folder, options);
  try {
    const page = await context.newPage();
    await page.addInitScript(watch);
    await page.goto(url);
    await page.waitForSelector('[data-status="ready"], [data-status="failed"]', { timeout: 120_000 });
    if (await page.$('[data-status="failed"]')) throw new Failure(`${url}: the page could not load the model`);
    await page.getByRole("textbox", { name: "Your message" }).fill(QUESTION);
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => globalThis.moments.token !== undefined);
    const moments = await page.evaluate(() => globalThis.moments);
    // Whoever asks takes time; the one here asks at once.
    const first_token = moments.usable + moments.token - moments.asked;
    return { page: moments.page / 1000, usable: moments.usable / 1000, first_token: first_token / 1000 };
  } finally {
    await context.close();
  }
}

async function run({ model, rounds }) {
  const times = chosenRounds(rounds);
  await build();
  const folder = model ? fromUser(model) : await modelFolder();
  const served = await serve({ root: dist, models: { model: folder } });
  const visits = { cold: [], warm: [] };
  try {
    for (let round = 1; round <= times; round++) {
      const profile = await mkdtemp(join(tmpdir(), "nomul-profile-"));
      try {
        for (const cache of Object.keys(visits)) {
          say(`- ${cache}, ${round} of ${times}`);
          visits[cache].push(await visit(profile, served.url));
        }
      } finally {
        await rm(profile, { recursive: true, force: true });
      }
    }
  } finally {
    await served.close();
  }
  const rows = Object.entries(visits).map(([cache, found]) => ({
    cache,
    ...Object.assign(
      {},
      ...Object.keys(found[0]).map((name) =>
        spread(
          `${name}_s`,
          found.map((each) => each[name]),
        ),
      ),
    ),
  }));
  return { model: folder, rows };
}

const help = `
usage: npm run bench -- start [--model FOLDER] [--rounds N] [--record] [--json]

Seconds from the navigation to the built page until it is there (page), until its model answers (usable) and until the
first word of the answer to a question of three words (first_token), asked at once.

cold is a new browser profile, warm the same profile again in a browser started anew. The server is on this machine: what
a network adds is the time of the bytes that "nomul inspect" and the page's files sum up to.

  --model FOLDER    the model (default: the default model)
  --rounds N        how often each is measured (default: 3)
  --record          also writes the result to tests/bench/records/
  --json            the last line is one object
`;

export const benchmark = {
  help,
  browser: true,
  options: { model: { type: "string" }, rounds: { type: "string" } },
  run,
};
