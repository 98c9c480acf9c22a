import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import { root } from "../shared/folders.mjs";

const skip = process.platform === "win32" && "the commands that stand in are shell scripts";
const [UNKNOWN, WASI] = ["wasm32-unknown-unknown", "wasm32-wasip1"];
const sh =
  spawnSync("sh", ["-c", "command -v sh; command -v mkdir"], { encoding: "utf8" }).stdout?.trim().split("\n") ?? [];
let folder, commands, libraries, log;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "nomul-setup-"));
});

after(() => rm(folder, { recursive: true }));

beforeEach(async () => {
  await rm(folder, { recursive: true });
  [commands, libraries, log] = ["bin", "rustlib", "log"].map((name) => join(folder, name));
  await mkdir(commands, { recursive: true });
  await mkdir(libraries);
  await writeFile(log, "");
});

/** A command that writes down what it is asked, and then does as the shell says. */
async function fake(name, script) {
  const path = join(commands, name);
  await writeFile(path, `#!${sh[0]}\necho "${name} $*" >> "${log}"\n${script}\n`);
  await chmod(path, 0o755);
}

/** A rustc whose libraries are in a folder of the test. An old one does not know every target. */
const rustc = (version = "1.95.0") =>
  fake("rustc", `case "$1" in --version) echo "rustc ${version} (made up)";; *) echo "${libraries}/$4";; esac`);

const adds = (...targets) => targets.map((target) => `"${sh[1]}" -p "${libraries}/${target}"`).join("; ");

/** What set-up says of the targets when only the fake commands are there: its one line, or nothing. */
function targets({ user = 0, call = "rustTargets" } = {}) {
  const script = `
    process.getuid = () => ${user};
    const { ${call} } = await import("./pkg-scripts/setup.mjs");
    try { await ${call}(); } catch (error) { console.log(error.message); }
  `;
  const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "--eval", script], {
    cwd: root,
    env: { PATH: commands },
    encoding: "utf8",
  });
  assert.doesNotMatch(stderr, /Error/);
  return stdout.trim();
}

/** What was asked of the commands, questions to rustc left out. */
const asked = async () => (await readFile(log, "utf8")).split("\n").filter((line) => line && !/^rustc /.test(line));

test("targets that are there need nobody, whoever brought them", { skip }, async () => {
  await rustc();
  await fake("rustup", "exit 1");
  await mkdir(join(libraries, UNKNOWN));
  await mkdir(join(libraries, WASI));
  assert.equal(targets(), "");
  assert.deepEqual(await asked(), []);
});

test("rustup adds what is missing, also on Debian", { skip }, async () => {
  await rustc();
  await mkdir(join(libraries, UNKNOWN));
  await fake("rustup", adds(WASI));
  await fake("dpkg-query", `echo "rustc: $2"`);
  await fake("apt-get", "exit 1");
  assert.equal(targets(), "");
  assert.deepEqual(await asked(), [`rustup target add ${WASI}`]);
});

test("a rustup that serves another rustc is found out", { skip }, async () => {
  await rustc();
  await fake("rustup", "");
  assert.match(targets(), /^this Rust lacks .*: rustup added them to another Rust than the rustc on PATH$/);
});

test("on Debian, root installs the packages that belong to the rustc", { skip }, async () => {
  for (const suffix of ["", "-1.89", "-web"]) {
    await rustc();
    await rm(join(libraries, UNKNOWN), { recursive: true, force: true });
    await writeFile(log, "");
    await fake("dpkg-query", `echo "rustc${suffix}: $2"`);
    await fake("apt-get", `[ "$1" = update ] || { ${adds(UNKNOWN, WASI)}; }`);
    assert.equal(targets(), "");
    assert.deepEqual((await asked()).slice(1), [
      "apt-get update -q",
      `apt-get install -y -q --no-install-recommends libstd-rust${suffix}-dev-wasm32 lld`,
    ]);
  }
});

test("on Debian, one line says what to install", { skip }, async () => {
  await rustc();
  await fake("dpkg-query", `echo "rustc: $2"`);
  const line =
    `this Rust lacks the targets ${UNKNOWN} ${WASI}: ` +
    "install the packages libstd-rust-dev-wasm32 lld, or Rust from https://rustup.rs";
  assert.equal(targets(), line, "without apt-get");
  await fake("apt-get", "exit 100");
  assert.equal(targets({ user: 1000 }), line, "not root");
  assert.ok(!(await asked()).some((words) => words.startsWith("apt-get")));
  assert.equal(targets(), line, "apt-get fails");
  await fake("apt-get", adds(UNKNOWN));
  assert.equal(targets(), line, "the packages lack a target");
});

test("a Rust from elsewhere needs rustup", { skip }, async () => {
  await rustc();
  const line =
    `this Rust lacks the targets ${UNKNOWN} ${WASI}, ` +
    "and only rustup can add them: install it from https://rustup.rs";
  assert.equal(targets(), line);
  await fake("dpkg-query", "exit 1");
  await fake("apt-get", "exit 0");
  assert.equal(targets(), line, "dpkg does not know it");
  assert.ok(!(await asked()).some((words) => words.startsWith("apt-get")));
});

test("a Rust that is too old is named", { skip }, async () => {
  await fake("cargo", "");
  await rustc("1.63.0");
  const line = targets({ call: "checkRust" });
  assert.match(line, /^Rust 1\.\d+ or newer is needed, this is rustc 1\.63\.0 .*https:\/\/rustup\.rs$/);
  await rustc("2.0.0");
  assert.equal(targets({ call: "checkRust" }), "");
});
