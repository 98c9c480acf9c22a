// Calls in what a model says, however it comes in pieces.

import assert from "node:assert/strict";
import { test } from "node:test";
import { CallReader } from "../build/tools.js";
import { random } from "./support/random.mjs";

/** What is left of a text that comes in such pieces, and the calls in it. */
function read(pieces) {
  const reader = new CallReader();
  const said = pieces.map((piece) => reader.push(piece)).join("") + reader.push("", true);
  return { said, calls: reader.calls.map(({ function: { name, arguments: given } }) => [name, given]) };
}

const call = '<tool_call>\n{"name": "f", "arguments": {"a": "<tool"}}\n</tool_call>';

test("calls are taken out, everything else is said", () => {
  const cases = [
    ["plain <text> <tool", { said: "plain <text> <tool", calls: [] }],
    [`a${call}b`, { said: "ab", calls: [["f", '{"a":"<tool"}']] }],
    [call + call, { said: "", calls: [["f", '{"a":"<tool"}'], ["f", '{"a":"<tool"}']] }], // prettier-ignore
    ['<tool_call>{"name":"g"}</tool_call>', { said: "", calls: [["g", "{}"]] }],
    // Cut off, but whole.
    ['<tool_call>{"name":"g","parameters":{}}', { said: "", calls: [["g", "{}"]] }],
    ["<tool_call>{no</tool_call>x", { said: "<tool_call>{no</tool_call>x", calls: [] }],
    ['<tool_call>{"arguments":{}}</tool_call>', { said: '<tool_call>{"arguments":{}}</tool_call>', calls: [] }],
    ["<tool_call>{", { said: "<tool_call>{", calls: [] }],
  ];
  const next = random(1);
  for (const [text, expected] of cases) {
    assert.deepEqual(read([text]), expected, text);
    for (let round = 0; round < 50; round++) {
      const pieces = [];
      for (let at = 0; at < text.length;) {
        const length = 1 + Math.floor(next() * 7);
        pieces.push(text.slice(at, at + length));
        at += length;
      }
      assert.deepEqual(read(pieces), expected, JSON.stringify(pieces));
    }
  }
});

test("calls have ids of their own", () => {
  const reader = new CallReader();
  reader.push(call + call, true);
  assert.notEqual(reader.calls[0].id, reader.calls[1].id);
});
