// What a visitor does with JSON: go there, load documents, write one, see what is like it and why, ask a vector.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { folder } from "../../web/lib/test/support/model.mjs";
import { open, serveSite, startBrowser, violations } from "./support/page.mjs";

let browser, site;
before(async () => {
  browser = await startBrowser();
  site = await serveSite(folder);
});
after(async () => {
  await browser?.close();
  await site?.close();
});

const done = (page) => page.waitForSelector("[data-json=done]");
const editor = (page) => page.getByLabel("A document: ");
const hits = (page) => page.getByRole("list", { name: "Documents like it" }).getByRole("button");
/** Waits until the first of the documents that are alike is this one. */
const firstHit = (page, text) =>
  page.waitForFunction((text) => document.querySelector("ol li button")?.textContent.includes(text), text);

for (const [size, viewport, colorScheme] of [
  ["wide", { width: 1280, height: 860 }, "light"],
  ["narrow", { width: 360, height: 740 }, "dark"],
]) {
  test(`${size}, ${colorScheme}: countries by keyboard alone, and everyone can use it`, async () => {
    const { page, quiet, close } = await open(browser, `${site.url}#/json`, { viewport, colorScheme });
    await page.getByRole("button", { name: "Try forty countries" }).press("Enter");
    await done(page);
    assert.equal(await page.title(), "JSON · nomul");
    assert.match(await page.locator("[data-json=done]").innerText(), /^40 documents of 4,096 signs/);
    // The first document stands in the editor, and is most like itself.
    await firstHit(page, "Austria");
    assert.match(await editor(page).inputValue(), /"country": "Austria"/);
    assert.match(await page.getByRole("meter", { name: "Capacity" }).innerText(), /^9 leaves/);
    const text = {
      country: "Gibraltar",
      money: { name: "pound", code: "GBP" },
      languages: ["English"],
      drives: "left",
    };
    await editor(page).fill(JSON.stringify(text));
    await firstHit(page, "United Kingdom");
    const row = page.getByRole("row").filter({ hasText: "money.code" });
    assert.ok(Number((await row.getByRole("cell").nth(1).innerText()).trim()) > 0.5);
    // Another one is looked at.
    await hits(page).nth(1).press("Enter");
    assert.equal(await hits(page).nth(1).getAttribute("aria-pressed"), "true");
    await page.getByLabel("What does a vector hold at").fill("money.name");
    await page.keyboard.press("Enter");
    await page.getByRole("definition").first().filter({ hasText: "pound" }).waitFor();
    assert.deepEqual(await violations(page), []);
    assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= viewport.width);
    quiet();
    await close();
  });
}

describe("files", () => {
  let page, quiet, close;
  before(async () => ({ page, quiet, close } = await open(browser, `${site.url}#/json`)));
  after(() => close?.());

  const choose = (name, text) =>
    page
      .getByLabel("A file of JSON Lines: ")
      .setInputFiles({ name, mimeType: "application/x-ndjson", buffer: Buffer.from(text) });

  test("a file is loaded, and its documents are looked at and edited", async () => {
    await choose(
      "animals.jsonl",
      '\uFEFF{"name":"cat","legs":4}\n\n{"name":"bird","legs":2}\r\n{"name":"fly","legs":6}\n',
    );
    await done(page);
    assert.ok(await page.getByRole("heading", { name: "Like yours, in animals.jsonl" }).isVisible());
    await firstHit(page, "cat");
    assert.deepEqual(JSON.parse(await editor(page).inputValue()), { name: "cat", legs: 4 });
    await hits(page).filter({ hasText: "bird" }).click();
    await page.getByRole("button", { name: "Edit document 3" }).click();
    await firstHit(page, "bird");
    assert.deepEqual(JSON.parse(await editor(page).inputValue()), { name: "bird", legs: 2 });
  });

  test("what is no JSON is told with line and column, and one press leads there", async () => {
    await editor(page).fill('{\n  "name": "ö" "legs": 2\n}');
    await page.getByRole("alert").filter({ hasText: "line 2, column 16: expected `,` or `}`" }).waitFor();
    assert.equal(await editor(page).getAttribute("aria-invalid"), "true");
    await page.getByRole("button", { name: "Go there" }).click();
    const selected = await editor(page).evaluate((area) => [
      area === document.activeElement,
      area.value.slice(area.selectionStart, area.selectionEnd),
    ]);
    assert.deepEqual(selected, [true, '"']);
    await editor(page).fill('{"name": 1, "name": 2}');
    await page.getByRole("alert").filter({ hasText: 'duplicate key "name"' }).waitFor();
    await editor(page).fill('{"name": "cat"}');
    await firstHit(page, "cat");
    assert.equal(await editor(page).getAttribute("aria-invalid"), "false");
  });

  test("a file with a line that is none is told, and the documents before stay", async () => {
    await choose("broken.jsonl", '{"a":1}\n{"a":}\n');
    await page.getByRole("alert").filter({ hasText: "line 2, column 6" }).waitFor();
    await choose("empty.jsonl", "\n");
    await page.getByRole("alert").filter({ hasText: "empty.jsonl: no documents" }).waitFor();
    assert.ok(await page.getByRole("heading", { name: "Like yours, in animals.jsonl" }).isVisible());
  });

  test("another number of signs encodes everything again, and keeps what is written", async () => {
    await editor(page).fill('{"name": "fly"}');
    await page.getByLabel("Signs").selectOption("1024");
    await page.locator("[data-json=done]").filter({ hasText: "1,024 signs" }).waitFor();
    assert.equal(await editor(page).inputValue(), '{"name": "fly"}');
    await firstHit(page, "fly");
    quiet();
  });
});
