// Programs that check something, run so that what they print is shown and counted.

import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { root } from "./folders.mjs";

/** Reads the counts from the closing lines of each test runner in use. */
const COUNTS = {
  // cargo test closes every binary with: test result: ok. 12 passed; 0 failed; ...
  cargo: (text) => ({
    passed: total(text, /^test result: .*?(\d+) passed/gm),
    failed: total(text, /^test result: .*?(\d+) failed/gm),
  }),
  // Node's test runner closes with: ℹ pass 12
  node: (text) => ({ passed: total(text, /^ℹ pass (\d+)/gm), failed: total(text, /^ℹ (?:fail|cancelled) (\d+)/gm) }),
  // A program that only succeeds or fails counts as one test.
  status: () => ({ passed: 0, failed: 0 }),
};

const total = (text, pattern) => [...text.matchAll(pattern)].reduce((sum, [, count]) => sum + Number(count), 0);

/**
 * Runs a program with nothing on its standard input and answers with { passed, failed }.
 *
 * `counts` names how its output is read. A program that fails without a failed test of its own counts as one failed
 * test, and so does a test runner that ran no test.
 */
export function check(command, words, { counts = "status", env = {} } = {}) {
  return new Promise((done) => {
    const child = spawn(command, words, {
      cwd: root,
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const parts = [];
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (part) => {
        parts.push(part);
        process.stdout.write(part);
      });
    }
    child.on("error", (error) => {
      process.stdout.write(`${command}: ${error.message}\n`);
      done({ passed: 0, failed: 1 });
    });
    child.on("close", (status) => {
      const counted = COUNTS[counts](Buffer.concat(parts).toString());
      if (status !== 0 && counted.failed === 0) counted.failed = 1;
      if (status === 0 && counted.passed === 0) counted[counts === "status" ? "passed" : "failed"] = 1;
      done(counted);
    });
  });
}

/** Runs checks one after the other, whatever becomes of each, and answers with the sum. */
export async function all(checks) {
  const sum = { passed: 0, failed: 0 };
  for (const each of checks) {
    const { passed, failed } = await each();
    sum.passed += passed;
    sum.failed += failed;
  }
  return sum;
}

/** Runs the files of a folder whose names end in `.test.mjs` or `.test.ts` with Node's own test runner. */
export function nodeTests(folder, { words = [], env } = {}) {
  const files = readdirSync(join(root, folder), { recursive: true })
    .filter((file) => /\.test\.(mjs|js|ts)$/.test(file) && !file.includes("node_modules"))
    .sort()
    .map((file) => join(folder, file));
  if (files.length === 0) {
    process.stdout.write(`${folder}: no tests\n`);
    return { passed: 0, failed: 1 };
  }
  return check(process.execPath, [...words, "--test", "--test-reporter=spec", ...files], { counts: "node", env });
}
