// Other programs, and how a script ends: with its result, or with one clear line.

import { spawn, spawnSync } from "node:child_process";
import { existsSync, realpathSync } from "node:fs";
import { delimiter, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { root } from "./folders.mjs";

/** Something the user can put right. Its message is the one line that is shown. */
export class Failure extends Error {}

/** Tells the user what goes on. Standard output is kept for results. */
export function say(line) {
  process.stderr.write(`${line}\n`);
}

/** A path as the user wrote it: npm starts scripts in the repository, wherever the user is. */
export function fromUser(path) {
  return resolve(process.env.INIT_CWD ?? "", path);
}

/** How a command is shown when it fails. */
const shown = (command, words) => [command, ...words].join(" ");

/** The file and words that start `command`. npm is a batch file on Windows, so it is started through the running Node. */
function started(command, words) {
  const npm = process.env.npm_execpath;
  if (command === "npm" && npm?.endsWith(".js")) return [process.execPath, [npm, ...words]];
  return [command, words];
}

/** Runs a program to its end; what it prints goes to standard error. */
export function run(command, words, { cwd = root, env = {} } = {}) {
  return new Promise((done, failed) => {
    const child = spawn(...started(command, words), {
      cwd,
      env: { ...process.env, ...env },
      stdio: ["ignore", 2, 2],
    });
    child.on("error", (error) => failed(new Failure(`${command}: ${error.message}`)));
    child.on("close", (status, signal) => {
      if (status === 0) done();
      else failed(new Failure(`${shown(command, words)}: ended with ${signal ?? `status ${status}`}`));
    });
  });
}

/** Runs a program and returns its standard output; its standard error is shown. */
export function output(command, words, { cwd = root, env = {} } = {}) {
  return new Promise((done, failed) => {
    const child = spawn(...started(command, words), {
      cwd,
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", 2],
    });
    const parts = [];
    child.stdout.on("data", (part) => parts.push(part));
    child.on("error", (error) => failed(new Failure(`${command}: ${error.message}`)));
    child.on("close", (status, signal) => {
      if (status === 0) done(Buffer.concat(parts).toString());
      else failed(new Failure(`${shown(command, words)}: ended with ${signal ?? `status ${status}`}`));
    });
  });
}

/** The standard output of a short question to a program, without line end; undefined where it does not answer. */
export function answer(command, words) {
  const { status, stdout } = spawnSync(...started(command, words), { cwd: root, encoding: "utf8" });
  return status === 0 ? stdout.trim() : undefined;
}

/** The first of these programs that is on PATH, as a path. */
export function onPath(...names) {
  const endings = process.platform === "win32" ? [".exe", ".cmd", ""] : [""];
  for (const name of names) {
    for (const folder of (process.env.PATH ?? "").split(delimiter)) {
      for (const ending of endings) {
        const path = join(folder, name + ending);
        if (folder && existsSync(path)) return path;
      }
    }
  }
  return undefined;
}

/**
 * The main of a script: parses the command line, offers `--help`, and turns any error into one line and status 1.
 *
 * `options` are those of `util.parseArgs`; `work` gets `{ values, positionals }`.
 */
export async function main({ help, options = {}, positionals = false, args = process.argv.slice(2) }, work) {
  try {
    let parsed;
    try {
      parsed = parseArgs({
        args,
        options: { ...options, help: { type: "boolean", short: "h" } },
        allowPositionals: positionals,
      });
    } catch (error) {
      throw new Failure(`${error.message.split("\n")[0]} (--help lists the options)`);
    }
    if (parsed.values.help) process.stdout.write(help.trimStart());
    else await work(parsed);
  } catch (error) {
    // A Failure is the user's to mend and says how; anything else is ours, and its stack says where.
    say(error instanceof Failure ? `error: ${error.message}` : error.stack);
    process.exitCode = 1;
  }
}

/** Whether the module with this `import.meta.url` is the script that Node was asked to run. */
export function isScript(url) {
  return process.argv[1] !== undefined && url === pathToFileURL(realpathSync(process.argv[1])).href;
}
