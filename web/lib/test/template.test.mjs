// Chat templates: the texts are those of transformers, and nobody's template can do harm.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { ChatTemplate } from "../build/template.js";

const encode = (json) => new TextEncoder().encode(typeof json === "string" ? json : JSON.stringify(json));

const special = { bos_token: "<bos>", eos_token: { content: "<eos>" }, unk_token: "<unk>" };
const made = (chat_template) => new ChatTemplate(encode({ ...special, chat_template }), undefined);
const render = (source, messages = [{ role: "user", content: "hi" }], tools) =>
  made(source).render(messages, tools, undefined);

test("texts are those of transformers", async () => {
  const file = new URL("../../../tests/golden/text/templates.json", import.meta.url);
  const { templates, cases } = JSON.parse(await readFile(file, "utf8"));
  let count = 0;
  for (const { template, messages, prompt, tools, text, error } of cases) {
    // An answer always follows here. `blocks` is no published template but all corners of the language, in some of which the
    // library differs: numbers with an exponent, lists that become text.
    if (!prompt || template === "blocks") continue;
    const source = templates[template];
    const result = () => render(source, messages, tools ?? undefined);
    if (typeof text !== "string")
      assert.throws(result, (thrown) => thrown.code === "input" && thrown.message.includes(error));
    else assert.equal(result(), text, `${template}: ${JSON.stringify(messages)}`);
    count++;
  }
  assert.ok(count > 50, String(count));
});

test("templates are found where models keep them", () => {
  const named = [
    { name: "tool_use", template: "tools {{ tools | length }}" },
    { name: "default", template: "{{ bos_token }}yes{{ eos_token }}" },
  ];
  assert.equal(render(named), "<bos>yes<eos>");
  assert.equal(render(named, undefined, [{ type: "function", function: { name: "f" } }]), "tools 1");
  const own = new ChatTemplate(encode({ ...special, chat_template: named }), encode("{{ bos_token }}own"));
  assert.equal(own.render([], undefined, undefined), "<bos>own");
  for (const config of [undefined, encode("{}"), encode("no JSON")]) {
    assert.throws(() => new ChatTemplate(config, undefined).render([], undefined, undefined), { code: "unsupported" });
  }
  assert.throws(() => render([{ name: "other", template: "" }]), { code: "missing" });
});

test("calls and parts come in the shapes that templates expect", () => {
  const call = { id: "1", type: "function", function: { name: "f", arguments: '{"a":[1]}' } };
  const messages = [
    { role: "user", content: [{ type: "text", text: "a" }, { type: "text", text: "b" }] }, // prettier-ignore
    { role: "assistant", content: null, tool_calls: [call] },
  ];
  const source =
    "{% for m in messages %}{{ m.content }};{% for c in m.tool_calls or [] %}{{ c.function.arguments.a | tojson }}{% endfor %}{% endfor %}";
  assert.equal(render(source, messages), "ab;;[1]");
});

test("the time is the reader's", () => {
  const source = "{{ strftime_now('%d %b %Y %H:%M %-d %% %A') }}";
  const now = new Date(2026, 2, 5, 7, 8);
  assert.equal(made(source).render([], undefined, now), "05 Mar 2026 07:08 5 % Thursday");
  assert.equal(render("{{ strftime_now is defined }}"), "false");
  assert.throws(() => made("{{ strftime_now('%Q') }}").render([], undefined, now), /knows not all of "%Q"/);
});

test("what makes no sense, no end or no room is refused", () => {
  assert.throws(() => render("{% for %}"), { code: "format" });
  assert.throws(() => render("{{ raise_exception('only\nusers') }}"), { code: "input", message: /only users/ });
  const hostile = [
    "{% for a in range(100000) %}{% for b in range(100000) %}{{ b }}{% endfor %}{% endfor %}",
    "{% for a in range(10000000000) %}{% endfor %}",
    "{% set n = namespace(x='abcdefgh') %}{% for i in range(60) %}{% set n.x = n.x ~ n.x %}{% endfor %}{{ n.x }}",
    "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
  ];
  for (const source of hostile) assert.throws(() => render(source), { code: "input" }, source);
});
