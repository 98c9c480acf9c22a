// Runs the server component in Node: node serve.mjs server.component.wasm MODEL [PORT [NAME=VALUE]...]
// What it imports of WASI is given by jco's shims; of the machine it sees the folder of the model, and nothing else.

import { transpile } from "@bytecodealliance/jco-transpile";
import { _setEnv } from "@bytecodealliance/preview2-shim/cli";
import { _setPreopens } from "@bytecodealliance/preview2-shim/filesystem";
import { HTTPServer } from "@bytecodealliance/preview2-shim/http";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const [component, folder, port = "8080", ...variables] = process.argv.slice(2);

_setPreopens(folder ? { "/model": folder } : {});
_setEnv(Object.fromEntries(variables.map((pair) => pair.split(/=(.*)/s).slice(0, 2))));

// Beside this file, so that the shims are found from there; `npx jco transpile` does the same ahead of time.
const made = await mkdtemp(join(dirname(fileURLToPath(import.meta.url)), ".made-"));
const { files } = await transpile(component, { name: "server", outDir: made });
for (const [file, bytes] of Object.entries(files)) {
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, bytes);
}
const { incomingHandler } = await import(pathToFileURL(join(made, "server.js")));
await rm(made, { recursive: true });

new HTTPServer(incomingHandler).listen(Number(port), "127.0.0.1");
process.stdout.write(`http://127.0.0.1:${port}\n`);
