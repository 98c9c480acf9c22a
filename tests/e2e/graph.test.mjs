// What a visitor does with a graph: go there, embed one, ask who is like whom, take the vectors away.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
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

const done = (page) => page.waitForSelector("[data-graph=done]");

describe("the way there", () => {
  test("by the navigation, by the address, and back; the model waits until somebody wants it", async () => {
    const { page, quiet, close } = await open(browser, `${site.url}?model=/model/#/graph`);
    const asked = [];
    page.on("request", (request) => asked.push(request.url()));
    await page.getByRole("heading", { name: "Edges" }).waitFor();
    assert.equal(await page.title(), "Graph · nomul");
    assert.deepEqual(
      asked.filter((url) => url.includes("/model/")),
      [],
    );
    await page.getByLabel("Or write them").fill("a b\nb c\n");
    const chat = page.getByRole("link", { name: "Chat" });
    await chat.focus();
    await page.keyboard.press("Enter");
    await page.getByRole("textbox", { name: "Your message" }).waitFor();
    assert.equal(await chat.getAttribute("aria-current"), "page");
    assert.ok(await page.getByRole("heading", { name: "Edges" }).isHidden());
    await page.goBack();
    assert.equal(await page.getByLabel("Or write them").inputValue(), "a b\nb c\n");
    await page.goto(`${site.url}?model=/model/#/nowhere`);
    await page.getByRole("textbox", { name: "Your message" }).waitFor();
    quiet();
    await close();
  });
});

for (const [size, viewport, colorScheme] of [
  ["wide", { width: 1280, height: 860 }, "light"],
  ["narrow", { width: 360, height: 740 }, "dark"],
]) {
  test(`${size}, ${colorScheme}: a graph by keyboard alone, and everyone can use it`, async () => {
    const { page, quiet, close } = await open(browser, `${site.url}#/graph`, { viewport, colorScheme });
    await page.getByRole("button", { name: "Try a karate club" }).press("Enter");
    await done(page);
    assert.match(await page.locator("[data-graph=done]").innerText(), /^34 nodes/);
    await page.getByLabel("Which nodes are like").fill("34");
    await page.keyboard.press("Enter");
    await page.getByRole("list", { name: "Nodes like 34" }).waitFor();
    assert.equal(await page.locator("ol li").count(), 8);
    await page.locator("ol button").first().press("Enter");
    await page.waitForFunction(() => document.querySelector("#node").value !== "34");
    const picture = () => page.locator("canvas").evaluate((canvas) => canvas.toDataURL());
    const before = await picture();
    await page.getByLabel("Picture").selectOption("umap");
    await page.getByRole("progressbar", { name: "UMAP" }).waitFor({ state: "hidden" });
    await page.waitForFunction((before) => document.querySelector("canvas").toDataURL() !== before, before);
    assert.deepEqual(await violations(page), []);
    assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= viewport.width);
    quiet();
    await close();
  });
}

describe("files", () => {
  let page, quiet, close;
  before(async () => ({ page, quiet, close } = await open(browser, `${site.url}#/graph`)));
  after(() => close?.());

  const choose = (text) =>
    page
      .getByLabel("A file of edges: ")
      .setInputFiles({ name: "edges.csv", mimeType: "text/csv", buffer: Buffer.from(text) });

  test("a file is embedded, and its vectors are taken away", async () => {
    await choose("ada,byron\nada,babbage\nbabbage,herschel\n");
    await done(page);
    assert.ok(await page.getByRole("heading", { name: "Map of edges.csv" }).isVisible());
    const saved = async (button) => {
      const [download] = await Promise.all([
        page.waitForEvent("download"),
        page.getByRole("button", { name: button }).click(),
      ]);
      return readFile(await download.path());
    };
    const npy = await saved("Vectors for NumPy");
    assert.deepEqual([...npy.subarray(0, 8)], [0x93, ...Buffer.from("NUMPY"), 1, 0]);
    assert.match(npy.subarray(10, 128).toString(), /^\{'descr': '<f4', .*'shape': \(4, 128\), \} *\n$/);
    assert.equal(npy.length, 128 + 4 * 128 * 4);
    const csv = (await saved("Vectors as CSV")).toString().trimEnd().split("\n");
    assert.deepEqual(
      csv.map((line) => line.split(",", 1)[0]),
      ["ada", "byron", "babbage", "herschel"],
    );
  });

  test("what is no edge, and no node, is told in one line, and the map stays", async () => {
    await choose("a,b\nc\n");
    await page.getByRole("alert").filter({ hasText: "line 2" }).waitFor();
    await page.getByLabel("Which nodes are like").fill("nobody");
    await page.keyboard.press("Enter");
    await page.getByRole("alert").filter({ hasText: "nobody" }).waitFor();
    assert.ok(await page.getByRole("heading", { name: "Map of edges.csv" }).isVisible());
    quiet();
  });
});
