// The browsers that tests and benchmarks drive: whatever the machine has, never a download of ours.

import { existsSync } from "node:fs";
import { Failure, onPath } from "./command.mjs";

const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

const PLACES = [
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
  "C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe",
  "C:\\Program Files (x86)\\Google\\Chrome\\Application\\chrome.exe",
];

/**
 * What the browser is started with: no window, no graphics card, and none of the background work that would disturb a
 * measurement. The sandbox needs a user account, so root goes without it; the pages are our own.
 */
export const CHROMIUM_FLAGS = [
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  ...(process.getuid?.() === 0 ? ["--no-sandbox"] : []),
];

/** Other browsers, for smoke tests: the programs that are started, and the Debian packages that bring them. */
export const OTHERS = {
  firefox: { title: "Firefox", programs: ["firefox", "firefox-esr"], packages: ["firefox-esr"] },
  webkit: {
    title: "WebKit",
    programs: ["WebKitWebDriver"],
    packages: ["webkit2gtk-driver", "xvfb", "xauth"],
    display: true,
  },
};

/** The path of another browser, or of its driver. */
export const onPathOf = (browser) => onPath(...OTHERS[browser].programs);

/** Why another browser cannot be driven here; undefined where it can. */
export function lack(browser) {
  const { title, packages, display } = OTHERS[browser];
  const hint = `(on Debian: ${packages.join(" ")})`;
  if (!onPathOf(browser)) return `there is no ${title} ${hint}`;
  if (display && !process.env.DISPLAY && !onPath("xvfb-run")) return `there is no display for ${title} ${hint}`;
  return undefined;
}

/** The path of the browser: `$NOMUL_CHROMIUM`, or one that is installed; undefined where there is none. */
export function findChromium() {
  const named = process.env.NOMUL_CHROMIUM;
  if (named) {
    if (!existsSync(named)) throw new Failure(`NOMUL_CHROMIUM: ${named} is not there`);
    return named;
  }
  return onPath(...NAMES) ?? PLACES.find((path) => existsSync(path));
}
