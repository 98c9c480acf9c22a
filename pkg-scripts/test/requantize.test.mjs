import assert from "node:assert/strict";
import { test } from "node:test";
import { inQ4_0 } from "../bench/start/requantize.mjs";

/** A GGUF file with a matrix in Q4_1 between two tensors of floats; `blocks` are scales, minima and codes of 16 weights. */
function gguf(blocks) {
  const u32 = (value) => Buffer.from(Uint32Array.of(value).buffer);
  const u64 = (value) => Buffer.from(BigUint64Array.of(BigInt(value)).buffer);
  const text = (value) => Buffer.concat([u64(value.length), Buffer.from(value)]);
  const tensor = (name, sizes, type, offset) => [
    text(name),
    u32(sizes.length),
    ...sizes.map(u64),
    u32(type),
    u64(offset),
  ];
  const header = Buffer.concat([
    ...[Buffer.from("GGUF"), u32(3), u64(3), u64(3)],
    ...[text("tokens"), u32(9), u32(8), u64(2), text("a"), text("bc")],
    ...[text("general.file_type"), u32(4), u32(3)],
    ...[text("general.alignment"), u32(4), u32(64)],
    ...tensor("before", [2], 0, 0),
    ...tensor("matrix", [32, blocks.length], 3, 64),
    ...tensor("after", [1], 0, 64 + Math.ceil((20 * blocks.length) / 64) * 64),
  ]);
  const padded = (bytes) => Buffer.concat([bytes, Buffer.alloc(-bytes.length & 63)]);
  const matrix = blocks.flatMap(([scale, least, codes]) => [
    Buffer.from(Uint16Array.of(scale, least).buffer),
    Buffer.from(codes.map((code) => code * 17)),
  ]);
  const floats = (...values) => Buffer.from(Float32Array.from(values).buffer);
  return Buffer.concat([padded(header), padded(floats(1, 2)), padded(Buffer.concat(matrix)), floats(3)]);
}

test("Q4_1 becomes Q4_0 by the reference rule, and all else stays", () => {
  const [one, minus7, minus8, minusOne] = [0x3c00, 0xc700, 0xc800, 0xbc00];
  const codes = Array.from({ length: 16 }, (_, code) => code);
  const before = gguf([
    [one, minus8, codes],
    [one, minus7, codes],
    [one, 0, codes],
    [0, 0, codes],
  ]);
  const after = Buffer.concat(inQ4_0(before));
  const start = before.indexOf(Buffer.from(Float32Array.of(1, 2).buffer));
  assert.equal(after.length, before.length + 60);
  assert.deepEqual(after.subarray(start, start + 64), before.subarray(start, start + 64));
  const block = (index) => after.subarray(start + 64 + 18 * index, start + 82 + 18 * index);
  const bytes = (scale, codes) => Buffer.from([scale & 255, scale >> 8, ...codes.map((code) => code * 17)]);
  assert.deepEqual(block(0), bytes(one, codes), "the greatest is -8");
  assert.deepEqual(
    block(1),
    bytes(
      minusOne,
      codes.map((code) => 15 - code),
    ),
    "the greatest is 8",
  );
  assert.equal(block(2).readUInt16LE(), 0xbf80, "15 / -8");
  assert.deepEqual(block(3), bytes(0x8000, Array(16).fill(8)), "all are zero");
  assert.equal(after.readFloatLE(start + 192), 3);
  assert.equal(after.readUInt32LE(before.indexOf("general.file_type") + 21), 2);
  assert.equal(after.readUInt32LE(before.indexOf("matrix") + 26), 2);
  assert.equal(after.readUInt32LE(before.indexOf("after") + 17), 0);
});
