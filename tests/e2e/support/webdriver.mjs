// Other browsers, by the protocol that they all speak: W3C WebDriver, a few JSON requests to a driver of the browser's own.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import { onPath } from "../../../pkg-scripts/shared/command.mjs";

/** What is started, and what is asked of it. Both need a display, so they run headless or in one that is not seen. */
const DRIVERS = {
  firefox: {
    driver: "geckodriver",
    capabilities: () => ({
      "moz:firefoxOptions": { args: ["-headless"], binary: onPath("firefox", "firefox-esr") },
    }),
    needs: () => (onPath("firefox", "firefox-esr") ? undefined : "no Firefox"),
  },
  webkit: { driver: "WebKitWebDriver", capabilities: () => ({}), needs: () => undefined, display: true },
};

/** Why a browser cannot be driven here; undefined where it can. */
export function lack(browser) {
  const { driver, needs, display } = DRIVERS[browser];
  if (!onPath(driver)) return `no ${driver} on PATH`;
  if (display && !process.env.DISPLAY && !onPath("xvfb-run")) return "no display, and no xvfb-run";
  return needs();
}

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

/** Starts a browser with its driver. Answers with `go(url)`, `run(script)`, which answers with what the script returns, and `close()`. */
export async function drive(browser) {
  const { driver, capabilities, display } = DRIVERS[browser];
  const port = await freePort();
  const words = [`--port=${port}`];
  const [command, ...all] = display && !process.env.DISPLAY ? ["xvfb-run", "-a", driver, ...words] : [driver, ...words];
  // A group of its own, so that the browser ends with its driver.
  const child = spawn(command, all, { stdio: "ignore", detached: true });
  const end = () => {
    try {
      process.kill(-child.pid, "SIGKILL");
    } catch {
      // It has ended.
    }
  };
  const ask = async (method, path, body) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      method,
      ...(body && { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
    });
    const { value } = await response.json();
    if (!response.ok) throw new Error(`${browser}: ${value?.message ?? response.status}`);
    return value;
  };
  try {
    for (let tries = 0; ; tries++) {
      const isReady = await ask("GET", "/status").then(
        () => true,
        () => false,
      );
      if (isReady) break;
      if (tries > 100) throw new Error(`${driver} does not answer`);
      await wait(100);
    }
    const { sessionId } = await ask("POST", "/session", { capabilities: { alwaysMatch: capabilities() } });
    const session = `/session/${sessionId}`;
    return {
      go: (url) => ask("POST", `${session}/url`, { url }),
      run: (script) => ask("POST", `${session}/execute/sync`, { script, args: [] }),
      close: async () => {
        await ask("DELETE", session).catch(() => undefined);
        end();
      },
    };
  } catch (error) {
    end();
    throw error;
  }
}
