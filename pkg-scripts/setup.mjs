// Sets up what is missing, from nothing but Node and Rust: npm packages, Rust targets and sources, the binding generator, a
// browser for the tests, and the native command. Only Node's own modules are imported: on a first run there are no others.

import { existsSync, readFileSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { Failure, answer, isScript, main, onPath, run, say } from "./shared/command.mjs";
import { OTHERS, findChromium, lack } from "./shared/browser.mjs";
import { cache, cargoTool, nomul, profile, root } from "./shared/folders.mjs";
import { haveRustSources } from "./shared/rust.mjs";

const TARGETS = ["wasm32-unknown-unknown", "wasm32-wasip1"];

/** The lowest Node that the packages take, from package.json: two numbers. */
function checkNode() {
  const { engines } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const [major, minor] = engines.node.match(/\d+/g).map(Number);
  const [haveMajor, haveMinor] = process.versions.node.split(".").map(Number);
  if (haveMajor < major || (haveMajor === major && haveMinor < minor)) {
    throw new Failure(
      `Node ${major}.${minor} or newer is needed, this is ${process.versions.node}: https://nodejs.org`,
    );
  }
}

/** Whether cargo and rustc are there, and as new as Cargo.toml asks for: those of a distribution may be older. */
export function checkRust() {
  if (!onPath("cargo") || !onPath("rustc")) {
    throw new Failure("Rust is needed (cargo and rustc are not on PATH): install it from https://rustup.rs");
  }
  // The first call may fetch the toolchain that rust-toolchain.toml names.
  if (answer("cargo", ["--version"]) === undefined)
    throw new Failure("cargo --version fails: reinstall Rust from https://rustup.rs");
  const numbers = (text) => text?.match(/(\d+)\.(\d+)/)?.map(Number) ?? [];
  const wanted = readFileSync(join(root, "Cargo.toml"), "utf8").match(/^rust-version = "(.*)"/m)[1];
  const have = answer("rustc", ["--version"]);
  const [[, major, minor], [, haveMajor, haveMinor]] = [numbers(wanted), numbers(have)];
  if (!(haveMajor > major || (haveMajor === major && haveMinor >= minor)))
    throw new Failure(`Rust ${wanted} or newer is needed, this is ${have}: install it from https://rustup.rs`);
}

/** Whether node_modules holds what package-lock.json asks for: npm keeps a lock file of its own in there. */
function npmPackagesArePresent() {
  const present = join(root, "node_modules", ".package-lock.json");
  if (!existsSync(present)) return false;
  const read = (path) => JSON.parse(readFileSync(path, "utf8")).packages;
  const have = read(present);
  return Object.entries(read(join(root, "package-lock.json")))
    .filter(([path, { optional, devOptional }]) => path.startsWith("node_modules/") && !optional && !devOptional)
    .every(([path, { version }]) => have[path] !== undefined && have[path].version === version);
}

async function npmPackages() {
  if (npmPackagesArePresent()) return;
  say("- installing the npm packages");
  await run("npm", ["ci", "--no-audit", "--no-fund"]);
}

/** Those targets for which this Rust has no libraries, wherever it came from. */
function missingTargets() {
  const library = (target) => answer("rustc", ["--print", "target-libdir", "--target", target]) ?? "";
  return TARGETS.filter((target) => !existsSync(library(target)));
}

/** The Debian packages that bring the targets to a rustc that is itself from one; undefined if it is not. */
function debianPackages() {
  if (!onPath("dpkg-query")) return undefined;
  // The names go together: rustc and libstd-rust-dev-wasm32, rustc-1.89 and libstd-rust-1.89-dev-wasm32.
  const owner = answer("dpkg-query", ["--search", realpathSync(onPath("rustc"))]);
  const suffix = owner?.match(/^rustc(-[\w.]+)?(?::\w+)?: /m);
  return suffix ? [`libstd-rust${suffix[1] ?? ""}-dev-wasm32`, "lld"] : undefined;
}

/** Adds the Rust targets that are missing: with rustup, or with apt where Rust is Debian's or Ubuntu's. */
export async function rustTargets() {
  const missing = missingTargets().join(" ");
  if (missing === "") return;
  const lacks = `this Rust lacks the targets ${missing}`;
  let hint;
  if (onPath("rustup")) {
    hint = "rustup added them to another Rust than the rustc on PATH";
    say(`- adding the Rust targets ${missing}`);
    await run("rustup", ["target", "add", ...missing.split(" ")]);
  } else {
    const packages = debianPackages();
    if (!packages) throw new Failure(`${lacks}, and only rustup can add them: install it from https://rustup.rs`);
    hint = `install the packages ${packages.join(" ")}, or Rust from https://rustup.rs`;
    await installAsRoot(packages, `the Rust targets ${missing}`, `${lacks}: ${hint}`);
  }
  if (missingTargets().length > 0) throw new Failure(`${lacks}: ${hint}`);
}

/** The sources of the standard library. What needs them is left out where they cannot be had, so this never fails. */
export async function rustSources() {
  if (haveRustSources()) return;
  if (onPath("rustup")) {
    say("- adding the sources of Rust's standard library");
    await run("rustup", ["component", "add", "rust-src"]).catch(() => undefined);
  }
  if (haveRustSources()) return;
  say("  not there: the sources of Rust's standard library. The engines for several threads are left out, the others");
  say("  need nothing. With Rust from https://rustup.rs, `rustup component add rust-src` brings them.");
}

/** Installs Debian packages where that is allowed; `otherwise` says what the user can do where it is not. */
async function installAsRoot(packages, what, otherwise) {
  if (process.getuid?.() !== 0 || !onPath("apt-get")) throw new Failure(otherwise);
  say(`- installing ${what}`);
  const quiet = { env: { DEBIAN_FRONTEND: "noninteractive" } };
  try {
    await run("apt-get", ["update", "-q"], quiet);
    await run("apt-get", ["install", "-y", "-q", "--no-install-recommends", ...packages], quiet);
  } catch {
    // apt has said why.
    throw new Failure(otherwise);
  }
}

/** The version of a crate in Cargo.lock. */
export function lockedVersion(crate) {
  const lock = readFileSync(join(root, "Cargo.lock"), "utf8");
  const version = lock.match(new RegExp(`^name = "${crate}"\\nversion = "([^"]+)"`, "m"))?.[1];
  if (!version) throw new Failure(`Cargo.lock: no crate ${crate}`);
  return version;
}

/** The binding generator has to be of the very version of the crate: the two share a private format. */
async function bindgen() {
  const version = lockedVersion("wasm-bindgen");
  const tool = cargoTool("wasm-bindgen");
  if (existsSync(tool) && answer(tool, ["--version"]) === `wasm-bindgen ${version}`) return;
  say(`- building wasm-bindgen ${version} (some minutes, once)`);
  // Not --locked: the lock file of 0.2.130 names a crate version that the registry no longer offers. A debug build is
  // built sooner, by more than it will ever be slower: it works for a second or two a module.
  const words = [
    "--version",
    `=${version}`,
    "--bin",
    "wasm-bindgen",
    "--debug",
    "--force",
    "--root",
    join(cache, "tools"),
  ];
  await run("cargo", ["install", "wasm-bindgen-cli", ...words]);
}

async function browser() {
  if (findChromium()) return;
  const hint = "a Chromium for the tests: install chromium or google-chrome, or name one in NOMUL_CHROMIUM";
  await installAsRoot(["chromium"], "Chromium for the tests", hint);
  if (!findChromium()) throw new Failure(hint);
}

/** Firefox and WebKit, for smoke tests, which are left out where these cannot be had: so this never fails. */
async function otherBrowsers() {
  const missing = Object.keys(OTHERS).filter(lack);
  if (missing.length === 0) return;
  const packages = missing.flatMap((browser) => OTHERS[browser].packages);
  const titles = missing.map((browser) => OTHERS[browser].title).join(" and ");
  await installAsRoot(packages, `${titles} for smoke tests`, "they cannot be installed here").catch((error) => {
    say(`  ${error.message}; left out: ${missing.map(lack).join("; ")}`);
  });
}

/** Cargo knows best whether there is anything to build, and needs a fraction of a second to find out. */
async function nativeCommand() {
  if (!existsSync(nomul)) say("- building the nomul command");
  await run("cargo", ["build", "--profile", profile, "--quiet", "-p", "nomul-cli"]);
}

/** Brings the machine to where everything builds; with `tests`, also to where everything can be tested. */
export async function setup({ tests = false, others = tests } = {}) {
  checkNode();
  checkRust();
  await npmPackages();
  await rustTargets();
  await rustSources();
  // Compiling and fetching, side by side.
  const tools = async () => {
    await bindgen();
    if (tests) await browser();
    if (others) await otherBrowsers();
  };
  await Promise.all([tools(), nativeCommand()]);
}

const HELP = `
usage: npm run setup -- [--tests]

Sets up what is missing: npm packages, Rust targets, wasm-bindgen, the native nomul command.
Whatever is there already is left alone.

  --tests   also browsers for the tests: Chromium, and where they can be had Firefox and WebKit (as root on Debian they are
            installed)
  --help    this text
`;

if (isScript(import.meta.url)) {
  await main({ help: HELP, options: { tests: { type: "boolean" } } }, ({ values }) => setup(values));
}
