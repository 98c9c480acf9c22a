import assert from "node:assert/strict";
import { mkdtemp, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { after, before, test } from "node:test";
import { cache, root } from "../shared/folders.mjs";
import { step } from "../shared/step.mjs";

const NAME = `test-${process.pid}`;
let folder, input, outcome;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "nomul-step-"));
  input = join(folder, "input.txt");
  outcome = join(folder, "output.txt");
  await writeFile(input, "one");
});

after(async () => {
  await rm(folder, { recursive: true });
  await rm(join(cache, "stamps", `${NAME}.json`), { force: true });
});

const make = (settings) =>
  step({ name: NAME, title: "making", inputs: [relative(root, input)], settings, outputs: [outcome] }, () =>
    writeFile(outcome, "made"),
  );

test("a step runs when something it stands on has changed, and only then", async () => {
  assert.equal(await make(), true, "the first time");
  assert.equal(await make(), false, "nothing changed");
  await utimes(input, 1, 1);
  assert.equal(await make(), false, "the time of a source says nothing");
  await writeFile(input, "two");
  assert.equal(await make(), true, "a source changed");
  assert.equal(await make(["setting"]), true, "a setting changed");
  await writeFile(outcome, "by hand");
  assert.equal(await make(["setting"]), true, "the output was changed by hand");
  await rm(outcome);
  assert.equal(await make(["setting"]), true, "the output is gone");
});

test("a step that makes nothing is an error", async () => {
  const nothing = { name: NAME, title: "making nothing", inputs: [], outputs: [join(folder, "absent")] };
  await assert.rejects(
    step(nothing, () => {}),
    /was not made/,
  );
});
