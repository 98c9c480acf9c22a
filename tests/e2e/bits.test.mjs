// The pictures of the bits: what they show is what the model folder says; by mouse, by keyboard and by ear.

import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { run } from "../../pkg-scripts/shared/command.mjs";
import { command } from "../../pkg-scripts/shared/engines.mjs";
import { nomul } from "../../pkg-scripts/shared/folders.mjs";
import { complete, modelFolder, open, ready, say, serveSite, startBrowser, TINY, violations } from "./support/page.mjs";

const VIEWPORT = { width: 1280, height: 860 };

let browser, site, folder, tiny;

before(async () => {
  folder = await modelFolder({ effort: "fast" });
  browser = await startBrowser();
  site = await serveSite(folder);
  tiny = await serveSite(TINY);
});

after(async () => {
  await browser?.close();
  await site?.close();
  await tiny?.close();
});

describe("the bits", () => {
  let page, quiet, close;
  before(async () => {
    ({ page, quiet, close } = await open(browser, `${site.url}?model=/model/`, { viewport: VIEWPORT }));
    await ready(page);
    const { num_hidden_layers } = JSON.parse(await readFile(`${folder}/config.json`, "utf8"));
    await page.waitForFunction(
      (count) => document.querySelectorAll("td[data-layer]").length === count,
      7 * num_hidden_layers,
    );
  });
  after(() => close?.());

  test("a row for each layer, a cell for each matrix", async () => {
    const config = JSON.parse(await readFile(`${folder}/config.json`, "utf8"));
    const { matrices } = config.quantization_config;
    assert.equal(await page.locator("td[data-layer]").count(), 7 * config.num_hidden_layers);
    for (const [name, { prefixes }] of Object.entries(matrices)) {
      const planes = String(prefixes.at(-1));
      assert.equal(await page.locator(`td[data-name="${name}"]`).getAttribute("data-bits"), planes, name);
    }
  });

  test("arrow keys walk it, and the matrix in focus is told", async () => {
    await page.locator('td[data-layer="0"][data-kind="q"]').focus();
    for (const key of ["ArrowDown", "ArrowRight", "ArrowRight"]) await page.keyboard.press(key);
    assert.equal(await page.evaluate(() => document.activeElement.dataset.name), "model.layers.1.self_attn.v_proj");
    assert.match(await page.locator(".detail").innerText(), /model\.layers\.1\.self_attn\.v_proj/);
  });

  test("the treemap shows bytes as areas, by keyboard too, and everyone can use it", async () => {
    await page.getByRole("radio", { name: "sizes" }).check();
    const pieces = page.getByRole("option");
    const { matrices } = await command("native", "inspect", folder, []);
    await pieces.nth(matrices.length - 1).waitFor();
    const total = matrices.reduce((sum, { bytes }) => sum + bytes, 0);
    const areas = await pieces.evaluateAll((all) => all.map(({ dataset }) => [dataset.name, Number(dataset.area)]));
    assert.equal(areas.length, matrices.length);
    const whole = areas.reduce((sum, [, area]) => sum + area, 0);
    for (const { name, bytes } of matrices) {
      const share = areas.find(([each]) => each === name)[1] / whole;
      assert.ok(Math.abs(share / (bytes / total) - 1) < 1e-9, `${name}: ${share}`);
    }
    // What appears below a resting pointer is pointed at.
    await page.mouse.move(0, 0);
    await pieces.first().focus();
    await page.keyboard.press("ArrowRight");
    // The page may be drawing when the key comes.
    await page.locator(`:focus[data-name="${areas[1][0]}"]`).waitFor();
    await page.locator(".detail .name").getByText(areas[1][0], { exact: true }).waitFor();
    await page.getByRole("radio", { name: "error" }).check();
    assert.deepEqual(await violations(page), []);
    await page.getByRole("radio", { name: "layers" }).check();
    await page.getByRole("grid").waitFor();
  });

  test("milliseconds are predicted from a token that was timed, and called so", async () => {
    await page.getByRole("radio", { name: "milliseconds" }).check();
    const told = page.locator("[data-speed=trial]");
    await told.waitFor();
    const whole = Number(/a token takes ([\d.,]+)\sms here/.exec(await told.innerText())[1].replace(",", ""));
    await page.locator('td[data-layer="1"][data-kind="up"]').focus();
    assert.match(await page.locator(".detail").innerText(), /[\d.]+\sms a token, predicted/);
    await page.getByText("As a table").first().click();
    const { matrices } = await command("native", "inspect", folder, []);
    const column = page.getByRole("region", { name: "Table of matrices" }).locator("tbody td:nth-child(8)");
    // Rows are drawn some a frame.
    await column.nth(matrices.length - 1).waitFor();
    const times = await column.evaluateAll((cells) =>
      cells.map((cell) => Number(cell.textContent.replace(/\sms/, ""))),
    );
    // Each has two digits.
    const sum = times.reduce((sum, time) => sum + time, 0);
    assert.ok(Math.abs(sum / whole - 1) < 0.06, `${sum} of ${whole} ms`);
    assert.deepEqual(await violations(page), []);
    await page.getByText("As a table").first().click();
    await page.getByRole("radio", { name: "bits", exact: true }).check();
  });

  test("fewer planes answer too", async () => {
    await page.getByRole("radio", { name: "2", exact: true }).check();
    await say(page, "What is gravity?");
    await page.waitForSelector("article.assistant .text");
    await page.keyboard.press("Escape");
    await page.getByRole("radio", { name: "all", exact: true }).check();
    quiet();
  });
});

describe("another budget", () => {
  let page, quiet, close, matrices;
  before(async () => {
    ({ page, quiet, close } = await open(browser, `${tiny.url}?model=/model/`, { viewport: VIEWPORT }));
    await complete(page);
    ({ matrices } = await command("native", "inspect", TINY, []));
    await page.waitForFunction((count) => document.querySelectorAll("td[data-name]").length === count, matrices.length);
  });
  after(() => close?.());

  const planes = () =>
    page
      .locator("td[data-name]")
      .evaluateAll((cells) =>
        Object.fromEntries(cells.map((cell) => [cell.dataset.name, Number(cell.textContent.match(/\d/)[0])])),
      );
  const slide = (value) =>
    page.getByRole("slider", { name: "Budget" }).evaluate((slider, value) => {
      slider.value = value;
      slider.dispatchEvent(new Event("input", { bubbles: true }));
    }, value);

  test("the allocator gives what the quantiser's gave for the same bytes", async () => {
    // The quantiser had an average of planes to share out, which is not quite a budget of bytes, and its sentences are rounded:
    // a plane here and there may differ.
    const stored = Object.fromEntries(matrices.map(({ name, planes }) => [name, planes]));
    const bytes = matrices.reduce((sum, { bytes }) => sum + bytes, 0);
    await slide(bytes / 1e6);
    await page.getByText("A plan for the budget below").waitFor();
    const found = await planes();
    const off = Object.keys(stored).filter((name) => found[name] !== stored[name]);
    for (const name of off) assert.ok(Math.abs(found[name] - stored[name]) === 1, `${name}: ${found[name]}`);
    assert.ok(off.length <= matrices.length / 3, `${off}`);
  });

  test("a smaller budget takes planes away, cell by cell, and says what that is predicted to cost", async () => {
    const cost = async () => {
      const [, bytes, ratio] = (await page.locator(".slider").innerText()).match(/([\d.]+) kB: predicted ×([\d.]+)/);
      return { bytes: Number(bytes), ratio: Number(ratio) };
    };
    const before = await planes();
    const whole = await cost();
    await slide(0.07);
    const after = await planes();
    const less = await cost();
    for (const [name, count] of Object.entries(after)) assert.ok(count <= before[name], name);
    assert.ok(less.bytes <= 70 && less.bytes < whole.bytes, `${less.bytes} kB`);
    assert.ok(less.ratio > whole.ratio);
    assert.ok((await page.locator("td.other").count()) > 0);
    assert.deepEqual(await violations(page), []);
  });

  test("the nearest planes that there are can be used at once", async () => {
    await page.getByRole("button", { name: "Use these planes now" }).click();
    const [, level] = (await page.getByText("The nearest that it can be run with now").innerText()).match(/level (\d)/);
    await page.getByRole("radio", { name: level, exact: true, checked: true }).waitFor();
    const { matrices: short } = await command("native", "inspect", TINY, []);
    await page.getByRole("button", { name: "Back to what is stored" }).click();
    await page.waitForFunction(() => document.querySelector("td[data-here]"));
    for (const { name, prefixes, planes } of short) {
      const here = await page.locator(`td[data-name="${name}"]`).getAttribute("data-here");
      assert.ok(here === null || (Number(here) === prefixes[0] && prefixes[0] < planes), `${name}: ${here}`);
    }
    await page.getByRole("radio", { name: "all", exact: true }).check();
  });

  test("two answers to one question stand side by side", async () => {
    await page.getByRole("textbox", { name: "Question for both" }).fill("Once upon a time");
    await page.getByRole("button", { name: "Ask both" }).click();
    const sides = page.locator(".sides article");
    await sides.nth(1).waitFor();
    await page.waitForFunction(() =>
      [...document.querySelectorAll(".sides article")].every(({ dataset }) => dataset.state === "done"),
    );
    assert.match(await sides.nth(0).innerText(), /^Level/);
    assert.match(await sides.nth(1).innerText(), /^All levels/);
    assert.equal(await page.getByRole("radio", { name: "all", exact: true }).isChecked(), true);
    quiet();
  });
});

/** The tiny model of the golden files, and the same checkpoint on even levels. */
const SPACINGS = {
  free: async () => TINY,
  even: async () => {
    const made = join(await mkdtemp(join(tmpdir(), "nomul-even-")), "model");
    const words = ["--spacing", "even", "--windows", "8", "--window", "64"];
    await run(nomul, ["quantize", join(TINY, "..", "checkpoints", "llama"), "-o", made, ...words]);
    return made;
  },
};

for (const [spacing, make] of Object.entries(SPACINGS)) {
  describe(`why a matrix has its bits, levels being ${spacing}`, () => {
    let page, quiet, close, model, own;
    const NAME = "model.layers.1.mlp.down_proj";
    before(async () => {
      model = await make();
      own = await serveSite(model);
      ({ page, quiet, close } = await open(browser, `${own.url}?model=/model/`, { viewport: VIEWPORT }));
      await complete(page);
      await page.locator(`td[data-name="${NAME}"]`).focus();
    });
    after(async () => {
      await close?.();
      await own?.close();
      if (model !== TINY) await rm(join(model, ".."), { recursive: true, force: true });
    });

    test("errors are those that the folder holds, the others are called predictions", async () => {
      const { quantization_config } = JSON.parse(await readFile(`${model}/config.json`, "utf8"));
      const { prefixes, errors } = quantization_config.matrices[NAME];
      const why = page.getByRole("region", { name: "Why these bits" });
      await why.getByText("As a table").click();
      const rows = await why
        .locator("tbody tr")
        .evaluateAll((all) => all.map(({ cells }) => [...cells].map((c) => c.textContent)));
      assert.equal(rows.length, 8);
      for (const [planes, error, , how] of rows) {
        const at = prefixes.indexOf(Number(planes));
        assert.equal(how, at < 0 ? "predicted" : "measured");
        if (at >= 0) assert.equal(Number.parseFloat(error), Number((errors[at] * 100).toFixed(2)), planes);
      }
    });

    test("its signs are drawn, a picture a plane", async () => {
      const why = page.getByRole("region", { name: "Why these bits" });
      const pictures = why.getByRole("img", { name: /^Signs of plane/ });
      await pictures.first().waitFor();
      const { quantization_config } = JSON.parse(await readFile(`${model}/config.json`, "utf8"));
      assert.equal(await pictures.count(), quantization_config.matrices[NAME].prefixes.at(-1));
      // About half of the signs are plus.
      const share = await pictures.first().evaluate((canvas) => {
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        return data.filter((_, at) => at % 4 === 3).reduce((sum, alpha) => sum + alpha / 255, 0) / (data.length / 4);
      });
      assert.ok(share > 0.4 && share < 0.6, `${share}`);
      assert.deepEqual(await violations(page), []);
      quiet();
    });
  });
}

test("a copied address brings back what was chosen", async () => {
  const { page, quiet, close } = await open(browser, `${tiny.url}?model=/model/`, { viewport: VIEWPORT });
  await complete(page);
  await page.getByRole("radio", { name: "sizes" }).check();
  await page.getByRole("radio", { name: "cost" }).check();
  await page.getByRole("radio", { name: "2", exact: true }).check();
  await page.getByRole("button", { name: "Sampling" }).click();
  await page.getByLabel("Temperature").fill("0.25");
  await page.getByLabel("System prompt").fill("Be brief & kind.");
  await page.waitForFunction(() => location.hash.includes("kind"));
  const link = page.url();
  await page.goto("about:blank");
  await page.goto(link);
  await complete(page);
  for (const name of ["sizes", "cost"]) assert.ok(await page.getByRole("radio", { name }).isChecked(), name);
  assert.ok(await page.getByRole("radio", { name: "2", exact: true }).isChecked());
  await page.getByRole("button", { name: "Sampling" }).click();
  assert.equal(await page.getByLabel("Temperature").inputValue(), "0.25");
  assert.equal(await page.getByLabel("System prompt").inputValue(), "Be brief & kind.");
  quiet();
  await close();
});
