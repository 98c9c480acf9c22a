// What a visitor does with a graph: go there, embed one, ask who is like whom, take the vectors away.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";
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

/** A file of the panel's, as Node can run it. */
async function panel(name) {
  const input = fileURLToPath(new URL(`../../web/app/panels/graph/${name}`, import.meta.url));
  const bundle = await rolldown({ input, logLevel: "warn" });
  const { output } = await bundle.generate({ format: "esm" });
  return import(`data:text/javascript,${encodeURIComponent(output[0].code)}`);
}

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
    assert.match((await page.locator("ol li").allInnerTexts()).join("\n"), /Officer/);
    await page.locator("ol button").first().press("Enter");
    await page.waitForFunction(() => document.querySelector("#node").value !== "34");
    const picture = () =>
      page
        .locator("canvas")
        .first()
        .evaluate((canvas) => canvas.toDataURL());
    const before = await picture();
    await page.getByLabel("Picture").selectOption("umap");
    await page.getByRole("progressbar", { name: "UMAP" }).waitFor({ state: "hidden" });
    await page.waitForFunction((before) => document.querySelector("canvas").toDataURL() !== before, before);

    const legend = page.getByRole("list", { name: "What the colours mean" });
    assert.deepEqual(await legend.getByRole("button").allInnerTexts(), ["Mr. Hi\n17\nnodes", "Officer\n17\nnodes"]);
    await page.getByRole("combobox", { name: "Colours" }).selectOption("clusters");
    const first = legend.getByRole("button", { name: /^Cluster 1 \d+ nodes$/ });
    await first.press("Enter");
    assert.equal(await first.getAttribute("aria-pressed"), "true");
    const size = Number(/(\d+)\s+nodes/.exec(await first.innerText())[1]);
    await page.getByRole("heading", { name: `${size} nodes selected` }).waitFor();
    const listed = page.getByRole("list", { name: "Selected nodes" }).getByRole("listitem");
    assert.equal(await listed.filter({ hasText: "Cluster 1" }).count(), size);
    assert.deepEqual(await violations(page), []);
    assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= viewport.width);
    quiet();
    await close();
  });
}

describe("selecting on the map", () => {
  /** Draws around the right or the left half of the map. */
  const corners = ({ x, y, width, height }, from, to) =>
    [
      [from, 0.01],
      [to, 0.01],
      [to, 0.99],
      [from, 0.99],
    ].map(([across, down]) => [x + across * width, y + down * height]);
  const map = (page) => page.getByRole("img", { name: "nodes in a plane" });

  test("a mouse draws around nodes; their keys are copied", async () => {
    const options = { permissions: ["clipboard-read", "clipboard-write"] };
    const { page, quiet, close } = await open(browser, `${site.url}#/graph`, options);
    await page.getByRole("button", { name: "Try a karate club" }).click();
    await done(page);
    await map(page).scrollIntoViewIfNeeded();
    const draw = async (from, to) => {
      const points = corners(await map(page).boundingBox(), from, to);
      await page.mouse.move(...points[0]);
      await page.mouse.down();
      for (const point of points.slice(1)) await page.mouse.move(...point, { steps: 4 });
      await page.mouse.up();
    };
    const selection = page.getByRole("region", { name: "Selection" });
    await draw(0.5, 0.99);
    const right = Number.parseInt(await selection.getByRole("heading").innerText(), 10);
    assert.ok(right > 5 && right < 30, `${right} of 34 on the right`);
    assert.equal(await selection.getByRole("listitem").count(), Math.min(20, right));
    await page.keyboard.down("Shift");
    await draw(0.01, 0.5);
    await page.keyboard.up("Shift");
    await page.getByRole("heading", { name: "34 nodes selected" }).waitFor();
    assert.ok(await selection.getByText("And 14 more").isVisible());
    await selection.getByRole("button", { name: "Copy keys" }).click();
    await selection.getByText("Copied").waitFor();
    const copied = (await page.evaluate(() => navigator.clipboard.readText())).split("\n");
    assert.deepEqual(new Set(copied), new Set(Array.from({ length: 34 }, (_, i) => `${i + 1}`)));
    assert.deepEqual(await violations(page), []);
    await selection.getByRole("button", { name: "Clear" }).click();
    assert.ok(await selection.isHidden());
    quiet();
    await close();
  });

  test("a finger scrolls, and draws once it is asked to", async () => {
    const options = { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true };
    const { page, quiet, close } = await open(browser, `${site.url}#/graph`, options);
    await page.getByRole("button", { name: "Try a karate club" }).tap();
    await done(page);
    await map(page).evaluate((element) => element.scrollIntoView({ block: "center" }));
    const session = await page.context().newCDPSession(page);
    const touch = (type, ...points) =>
      session.send("Input.dispatchTouchEvent", { type, touchPoints: points.map(([x, y]) => ({ x, y })) });
    const scrolled = () => page.evaluate(() => scrollY);
    const go = async (points) => {
      await touch("touchStart", points[0]);
      for (const point of points.slice(1)) await touch("touchMove", point);
      await touch("touchEnd");
    };
    const selection = page.getByRole("region", { name: "Selection" });
    const { x, y, height } = await map(page).boundingBox();
    const start = await scrolled();
    await go([0.5, 0.4, 0.3, 0.2, 0.1].map((down) => [x + 100, y + down * height]));
    await page.waitForFunction((start) => scrollY > start + 20, start);
    assert.ok(await selection.isHidden());
    await page.getByRole("button", { name: "Draw" }).tap();
    await map(page).evaluate((element) => element.scrollIntoView({ block: "center" }));
    await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
    const before = await scrolled();
    await go(corners(await map(page).boundingBox(), 0.02, 0.98));
    await page.getByRole("heading", { name: "34 nodes selected" }).waitFor();
    assert.equal(await scrolled(), before);
    quiet();
    await close();
  });
});

describe("what the panel works out", () => {
  test("what lies within an outline", async () => {
    const { drawn, enclosed, within } = await panel("lasso.ts");
    // An L, which is not convex.
    const corner = [
      [0, 0],
      [10, 0],
      [10, 4],
      [4, 4],
      [4, 10],
      [0, 10],
    ];
    for (const [x, y, inside] of [
      [2, 2, true],
      [8, 2, true],
      [2, 8, true],
      [8, 8, false],
      [-1, 2, false],
      [11, 2, false],
    ]) {
      assert.equal(within(corner, x, y), inside, `${x}, ${y}`);
    }
    assert.deepEqual(enclosed(Float32Array.of(8, 8, 1, 9, 20, 1, 9, 1), corner), [1, 3]);
    assert.deepEqual(enclosed(Float32Array.of(1, 1), []), []);
    assert.equal(drawn(corner, [1, 11]).length, corner.length);
    assert.equal(drawn(corner, [5, 12]).length, corner.length + 1);
  });

  test("eight groups have colours, the others share one", async () => {
    const { byCluster, byLabel, layered, members } = await panel("groups.ts");
    const clusters = byCluster([1, 0, 1, 2, 1, 2]);
    assert.deepEqual(
      clusters.list.map(({ name, nodes, colour }) => [name, nodes, colour]),
      [
        ["Cluster 1", 3, "--group-1"],
        ["Cluster 2", 2, "--group-2"],
        ["Cluster 3", 1, "--group-3"],
      ],
    );
    assert.deepEqual(members(clusters, 0), [0, 2, 4]);
    assert.deepEqual([...layered(6, [0, 5], clusters)], [2, 4, 3, 1, 0, 5]);
    assert.deepEqual([...layered(3, [1], undefined)], [0, 2, 1]);
    const keys = Array.from({ length: 13 }, (_, i) => `${i}`);
    const { list, of } = byLabel(keys, new Map(keys.slice(0, 12).map((key) => [key, `of ${Math.max(0, key - 2)}`])));
    assert.deepEqual(
      list.map(({ name, nodes }) => [name, nodes]),
      [["of 0", 3], ...[1, 2, 3, 4, 5, 6, 7].map((i) => [`of ${i}`, 1]), ["Other (2 labels)", 2], ["No label", 1]],
    );
    assert.deepEqual([...of].slice(-4), [7, 8, 8, 9]);
  });

  test("clusters stand apart, and alike vectors are one", async () => {
    const { clusterings } = await panel("kmeans.ts");
    // Three directions, and some noise; lengths do not count.
    const rows = Int16Array.from({ length: 60 * 3 }, (_, i) => {
      const [node, column] = [Math.floor(i / 3), i % 3];
      return (node % 3 === column ? 1000 : (i * 37) % 50) * (1 + (node % 2));
    });
    const { best, of } = clusterings(rows, 3);
    assert.equal(best, 3);
    assert.deepEqual([...of.keys()], [2, 3, 4, 5, 6, 7, 8]);
    const found = of.get(3);
    found.forEach((cluster, node) => assert.equal(cluster, found[node % 3]));
    assert.deepEqual(clusterings(rows, 3), { best, of });
    assert.deepEqual(clusterings(new Int16Array(40).fill(7), 4), { best: 1, of: new Map([[1, new Uint8Array(10)]]) });
    assert.deepEqual(clusterings(Int16Array.of(1, 2), 2).best, 1);
  });

  test("labels come from lines, and what is wrong is told with its line", async () => {
    const { readLabels } = await panel("labels.ts");
    const read = (text) => readLabels("labels.csv", new Blob([text]));
    const { of } = await read("# who is who\nada,maths\r\nbyron, poetry, mostly \n\na,b\tc\nada,maths");
    assert.deepEqual(
      [...of],
      [
        ["ada", "maths"],
        ["byron", "poetry, mostly"],
        ["a,b", "c"],
      ],
    );
    for (const [text, said] of [
      ["ada,maths\nbyron\n", "labels.csv, line 2: not a key, a tab or comma, and a label"],
      ["ada,\n", "labels.csv, line 1: not a key, a tab or comma, and a label"],
      ["ada,a\n\nada,b", "labels.csv, line 3: ada has another label in line 1"],
      [Uint8Array.of(97, 44, 98, 10, 0xff), "labels.csv, line 1 or later: not a text in UTF-8"],
      ["", "labels.csv: no labels in it"],
    ]) {
      await assert.rejects(read(text), { message: said });
    }
  });
});

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

  test("labels colour the map; what is wrong with their file is told, and the colours stay", async () => {
    const label = (text) =>
      page
        .getByLabel("Colours of your own: ")
        .setInputFiles({ name: "labels.tsv", mimeType: "text/plain", buffer: Buffer.from(text) });
    const legend = page.getByRole("list", { name: "What the colours mean" });
    await legend.getByRole("button", { name: /^Cluster 1 / }).waitFor();
    await label("ada\tmaths\nbabbage\tmaths\nherschel\tsky\n");
    await legend.getByRole("button", { name: "maths 2 nodes" }).waitFor();
    await legend.getByRole("button", { name: "No label 1 node", exact: true }).waitFor();
    for (const [text, said] of [
      ["ada\tmaths\nbabbage\n", "labels.tsv, line 2: not a key"],
      ["newton\tsky\n", "labels.tsv: none of its keys is a node of this graph; its first key is newton"],
    ]) {
      await label(text);
      await page.getByRole("alert").filter({ hasText: said }).waitFor();
    }
    assert.equal(await legend.getByRole("button").count(), 3);
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
