// The models that a browser keeps, models from elsewhere, and the page without a network.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { misbehave } from "../../web/lib/test/support/server.mjs";
import { complete, open, say, serveSite, startBrowser, TINY, violations } from "./support/page.mjs";

let browser, site;

before(async () => {
  browser = await startBrowser();
  site = await serveSite(TINY);
});

after(async () => {
  await browser?.close();
  await site?.close();
});

const address = () => `${site.url}?model=/model/`;
const models = (page) => page.getByRole("link", { name: "Models" }).click();

test("what is kept is listed with its size, and can be deleted", async () => {
  const { page, quiet, close } = await open(browser, address());
  await complete(page);
  await models(page);
  const row = page.getByRole("row", { name: /\/model\// });
  await row.waitFor();
  assert.match(await row.innerText(), /open[^]*\d+ kB[^]*just now/);
  assert.deepEqual(await violations(page), []);
  await row.getByRole("button", { name: /^Delete/ }).click();
  await page.getByText("None yet.").waitFor();
  quiet();
  await close();
});

test("a model is opened by its address, and the page's address then names it", async () => {
  const server = await misbehave(`${TINY}/`, () => undefined);
  const { page, quiet, close } = await open(browser, `${site.url}?model=/nothing/#/models`);
  await page.getByLabel("Address of a model folder").fill(server.url);
  await page.getByRole("button", { name: "Open" }).click();
  await complete(page);
  assert.equal(new URL(page.url()).searchParams.get("model"), server.url);
  assert.equal(await page.getByRole("link", { name: "Chat" }).getAttribute("aria-current"), "page");
  await say(page, "Once upon a time");
  await page.waitForSelector("article.assistant .text");
  await page.keyboard.press("Escape");
  quiet();
  await close();
  await server.close();
});

test("a folder of this computer is opened without a request", async () => {
  const { page, close } = await open(browser, `${site.url}?model=/nothing/#/models`);
  await page.locator("input[type=file]").setInputFiles(TINY);
  const requests = [];
  page.on("request", (request) => requests.push(request.url()));
  await complete(page);
  assert.deepEqual(
    requests.filter((url) => /safetensors|config\.json|tokenizer/.test(url)),
    [],
  );
  await say(page, "Once upon a time");
  await page.waitForSelector("article.assistant .text");
  await close();
});

test("a folder that is no model is told in one clear line, and the rest goes on", async () => {
  const { page, close } = await open(browser, `${address()}#/models`);
  await page.locator("input[type=file]").setInputFiles(new URL("./support", import.meta.url).pathname);
  assert.match(
    await page.getByRole("alert").innerText(),
    /support is no model folder of nomul: config\.json, .* are not in it/,
  );
  await page.getByLabel("Address of a model folder").fill("ftp://example.org/");
  await page.getByRole("button", { name: "Open" }).click();
  assert.match(await page.getByRole("alert").innerText(), /ftp: is not http: or https:/);
  await page.getByRole("link", { name: "Chat" }).click();
  await complete(page);
  await close();
});

test("after the first visit the page needs no network, is isolated, and has asked nobody else", async () => {
  const context = await browser.newContext();
  const page = await context.newPage();
  const asked = new Set();
  context.on("request", (request) => asked.add(new URL(request.url()).origin));
  await page.goto(address());
  await complete(page);
  assert.equal(await page.evaluate(() => crossOriginIsolated), false);
  await page.getByText("From the next visit on it has threads").waitFor();
  await page.close();

  const offline = await context.newPage();
  await context.setOffline(true);
  await offline.goto(address());
  await complete(offline);
  assert.equal(await offline.evaluate(() => crossOriginIsolated), true);
  await say(offline, "Once upon a time");
  await offline.waitForSelector("article.assistant .text");
  assert.deepEqual([...asked], [new URL(site.url).origin]);
  await context.close();
});
