// npm run check: formatting, lints and types of every language here.

import { setup } from "./setup.mjs";
import { isScript, main } from "./shared/command.mjs";
import { profile } from "./shared/folders.mjs";
import { all, check } from "./shared/suite.mjs";

// To share what the command's own build has compiled.
const PROFILE = ["--profile", profile];
const HOST = ["--manifest-path", "crate/edge/host/Cargo.toml"];

/** Every check: what the user reads, the program and its words. The types of web/ need the package's bindings to be built. */
const CHECKS = [
  ["rustfmt", "cargo", ["fmt", "--all", "--check"]],
  ["rustfmt, what runs wasmtime", "cargo", ["fmt", "--all", "--check", ...HOST]],
  ["clippy", "cargo", ["clippy", ...PROFILE, "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"]],
  [
    "clippy, the server",
    "cargo",
    ["clippy", ...PROFILE, "-p", "nomul-edge", "--features", "server", "--quiet", "--", "-D", "warnings"],
  ],
  ["prettier", "npx", ["prettier", "--check", "--log-level", "warn", "."]],
  ["eslint", "npx", ["eslint", "."]],
  ["types", "npm", ["run", "--silent", "check", "--workspaces", "--if-present"]],
];

/** Runs all of them and answers with { passed, failed }. */
export const checkAll = () =>
  all(
    CHECKS.map(([title, command, words]) => () => {
      process.stdout.write(`- ${title}\n`);
      return check(command, words);
    }),
  );

const HELP = `
usage: npm run check

Checks formatting (rustfmt, prettier), lints (clippy, eslint) and types (tsc, svelte-check). npm run format mends the first.
`;

if (isScript(import.meta.url)) {
  await main({ help: HELP }, async () => {
    await setup();
    const { buildPackage } = await import("./build.mjs");
    await buildPackage();
    const { passed, failed } = await checkAll();
    process.stdout.write(`${passed} passed, ${failed} failed\n`);
    if (failed > 0) process.exitCode = 1;
  });
}
