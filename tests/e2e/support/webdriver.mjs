// Other browsers, by the protocols that they speak by themselves: Firefox WebDriver BiDi, WebKit W3C WebDriver.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { lack, onPathOf } from "../../../pkg-scripts/shared/browser.mjs";
import { bidi } from "./bidi.mjs";
import { startBrowser } from "./page.mjs";

export { lack };

const PATIENCE_MS = 180_000;

/** Starts a browser. Answers with `go(url)`, `run(script)`, which answers with what the script returns, and `close()`. */
export const drive = (browser) => ({ chromium, firefox, webkit })[browser]();

/** The one that the others are held against. */
async function chromium() {
  const browser = await startBrowser();
  const page = await browser.newPage();
  return {
    go: (url) => page.goto(url),
    run: (script) => page.evaluate(`(() => { ${script} })()`),
    close: () => browser.close(),
  };
}

/** What keeps Firefox from the network, and from asking whoever starts it. */
const PREFERENCES = {
  "app.normandy.enabled": false,
  "app.update.disabledForTesting": true,
  "browser.aboutwelcome.enabled": false,
  "browser.safebrowsing.update.enabled": false,
  "browser.shell.checkDefaultBrowser": false,
  "datareporting.policy.dataSubmissionEnabled": false,
  "extensions.update.enabled": false,
  "network.captive-portal-service.enabled": false,
  "network.connectivity-service.enabled": false,
  "services.settings.server": "data:,nothing",
};

async function firefox() {
  const profile = await mkdtemp(join(tmpdir(), "nomul-firefox-"));
  const lines = Object.entries(PREFERENCES).map(([name, value]) => `user_pref("${name}", ${JSON.stringify(value)});`);
  await writeFile(join(profile, "user.js"), `${lines.join("\n")}\n`);
  const words = ["--headless", "--no-remote", "--profile", profile, "--remote-debugging-port=0", "about:blank"];
  const { child, end } = started(onPathOf("firefox"), words);
  const stop = async () => {
    end();
    await child.ended;
    await rm(profile, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    const page = await bidi(await said(child, /WebDriver BiDi listening on (ws:\S+)/));
    return { ...page, close: () => page.close().then(stop) };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function webkit() {
  const port = await freePort();
  const driver = [onPathOf("webkit"), `--port=${port}`];
  // It draws into a window, and there may be no display.
  const words = process.env.DISPLAY ? driver : ["xvfb-run", "-a", ...driver];
  const { child, end } = started(words[0], words.slice(1));
  const ask = async (method, path, body) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      method,
      ...(body && { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
    });
    const { value } = await response.json();
    if (!response.ok) throw new Error(value?.message ?? response.status);
    return value;
  };
  const stop = async () => {
    end();
    await child.ended;
  };
  try {
    const before = performance.now();
    while (!(await ask("GET", "/status").catch(() => false))) {
      if (performance.now() - before > PATIENCE_MS) throw new Error("WebKitWebDriver does not answer");
      await wait(100);
    }
    const { sessionId } = await ask("POST", "/session", { capabilities: { alwaysMatch: {} } });
    const session = `/session/${sessionId}`;
    return {
      go: (url) => ask("POST", `${session}/url`, { url }),
      run: (script) => ask("POST", `${session}/execute/sync`, { script, args: [] }),
      close: async () => {
        await ask("DELETE", session).catch(() => undefined);
        await stop();
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** A program in a group of its own, so that all that it starts ends with it. */
function started(command, words) {
  const child = spawn(command, words, { stdio: ["ignore", "ignore", "pipe"], detached: true });
  child.ended = once(child, "close").catch(() => undefined);
  child.stderr.resume();
  const end = () => {
    try {
      process.kill(-child.pid, "SIGKILL");
    } catch {
      // It has ended.
    }
  };
  return { child, end };
}

/** What a program says on its way, found by a pattern. */
function said(child, pattern) {
  return new Promise((resolve, reject) => {
    let text = "";
    const timer = setTimeout(() => reject(new Error(`it does not say ${pattern}: ${text}`)), PATIENCE_MS);
    child.stderr.on("data", (data) => {
      text += data;
      const found = pattern.exec(text);
      if (!found) return;
      clearTimeout(timer);
      resolve(found[1]);
    });
    child.ended.then(() => {
      clearTimeout(timer);
      reject(new Error(`it ended: ${text}`));
    });
  });
}

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}
