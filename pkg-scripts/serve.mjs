// A static server for the page and for models: types, ranges, entity tags. The library `send` does what HTTP asks, but for
// compression.

import { once } from "node:events";
import { STATUS_CODES, createServer } from "node:http";
import { createServer as createListener } from "node:net";
import { Failure, fromUser, isScript, main, say } from "./shared/command.mjs";
import { isCompressible, sendCompressed } from "./shared/compressed.mjs";
import { dist } from "./shared/folders.mjs";

/** What a page must be served with to share memory between its threads. */
export const ISOLATION = {
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
};

/**
 * Serves the folder `root` at `/` and the folders of `models`, an object from a name to a folder, at `/NAME/`.
 *
 * `port` 0 takes any free one. `isolated` adds the headers that allow threads; a `link` (shared/link.mjs) stands between
 * the server and its visitors. Answers with the address and `close()`, which ends open connections too.
 */
export async function serve({ root, port = 0, host = "127.0.0.1", models = {}, isolated = false, link }) {
  // Loaded late: npm start needs this module's options before the npm packages are there.
  const { default: send } = await import("send");
  const sendFile = async (request, response) => {
    const whole = request.url.split("?", 1)[0];
    const [, name, rest] = whole.match(/^\/([^/]*)(\/.*)$/) ?? [];
    const mounted = Object.hasOwn(models, name);
    const [folder, path] = mounted ? [models[name], rest] : [root, whole];
    if (await sendCompressed(request, response, folder, path)) return;
    send(request, path, { root: folder, dotfiles: "deny", cacheControl: false })
      .on("headers", (answer, file) => {
        answer.setHeader("cache-control", "no-cache");
        if (isCompressible(file)) answer.setHeader("vary", "accept-encoding");
      })
      .on("error", ({ status = 500 }) => fail(response, status))
      .pipe(response);
  };
  const server = createServer((request, response) => {
    if (request.method !== "GET" && request.method !== "HEAD") {
      response.writeHead(405, { allow: "GET, HEAD" }).end();
      return;
    }
    if (isolated) for (const [name, value] of Object.entries(ISOLATION)) response.setHeader(name, value);
    sendFile(request, response).catch(() => fail(response, 500));
  });
  const listener = link
    ? createListener({ allowHalfOpen: true, noDelay: true }, (socket) => server.emit("connection", link.join(socket)))
    : server;
  listener.listen(port, host);
  try {
    await once(listener, "listening");
  } catch (error) {
    throw new Failure(
      `cannot listen on ${host}:${port}: ${error.code === "EADDRINUSE" ? "the port is taken" : error.message}`,
    );
  }
  const close = async () => {
    listener.close();
    server.closeAllConnections();
    link?.end();
    await once(listener, "close");
  };
  return { close, url: `http://${host.includes(":") ? `[${host}]` : host}:${listener.address().port}/` };
}

const fail = (response, status) =>
  response.writeHead(status, { "content-type": "text/plain" }).end(`${STATUS_CODES[status]}\n`);

/** The options of `npm start` and of this script. */
export const SERVE_OPTIONS = {
  model: { type: "string" },
  port: { type: "string" },
  host: { type: "string", default: "127.0.0.1" },
  isolated: { type: "boolean", default: false },
};

/** What those options are for, in `--help`. */
export const SERVE_HELP = `
  --port N         the port (default: 8080 or the next free one; 0: any)
  --host NAME      the address to listen on (default: 127.0.0.1)
  --isolated       sends the headers that let a page use threads (COOP and COEP)
`.slice(1);

const USUAL_PORTS = [8080, 8081, 8082, 8083, 8084, 8085, 8086, 8087, 0];

/** Serves as `values`, parsed from SERVE_OPTIONS, say, until Ctrl-C; prints the address and answers with it. */
export async function serveUntilInterrupted(root, model, { port, host, isolated }) {
  if (port !== undefined && !(/^\d{1,5}$/.test(port) && Number(port) < 65536)) {
    throw new Failure(`--port ${port}: not a port number`);
  }
  const options = { root, host, models: model === undefined ? {} : { model }, isolated };
  const ports = port === undefined ? USUAL_PORTS : [Number(port)];
  let served;
  for (const candidate of ports) {
    try {
      served = await serve({ ...options, port: candidate });
      break;
    } catch (error) {
      if (candidate === ports.at(-1)) throw error;
    }
  }
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => void served.close());
  say("Ctrl-C ends the server.");
  process.stdout.write(`${served.url}\n`);
  return served.url;
}

const HELP = `
usage: node pkg-scripts/serve.mjs [FOLDER] [--model FOLDER] [--port N] [--host NAME] [--isolated]

Serves a folder (default: dist, the built page) and prints its address.

  --model FOLDER   also serves this model folder at /model/
${SERVE_HELP}  --help           this text
`;

if (isScript(import.meta.url)) {
  await main({ help: HELP, options: SERVE_OPTIONS, positionals: true }, ({ values, positionals }) =>
    serveUntilInterrupted(
      positionals[0] ? fromUser(positionals[0]) : dist,
      values.model && fromUser(values.model),
      values,
    ),
  );
}
