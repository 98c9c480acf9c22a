// A GGUF file in Q4_1 written anew in Q4_0, which is smaller: what a site would serve for wllama. No package carries that
// file of the default model, and llama.cpp's tool that makes it would have to be compiled.
//
// Only matrices in Q4_1 change. Their weights are read back and rounded by llama.cpp's reference rule, in the same 32-bit
// arithmetic. A header has the same length after as before, so it is copied and its fields are changed in place.

import { Failure } from "../../shared/command.mjs";

/** Numbers of GGUF: types of tensors, a `general.file_type`, types of fields, and the bytes of fields of one value. */
const [Q4_0, Q4_1] = [2, 3];
const MOSTLY_Q4_0 = 2;
const [STRING, ARRAY] = [8, 9];
const BYTES = { 0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8 };

const round = Math.fround;
const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/** Every 16-bit float as a number. */
const HALVES = Float32Array.from({ length: 65_536 }, (_, half) => {
  const [exponent, fraction] = [(half >> 10) & 31, half & 1023];
  const size = exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15);
  return half < 32_768 ? size : -size;
});

/** The 16-bit float nearest to a number of less than 65,520; of two, the even one. */
function toHalf(number) {
  float[0] = number;
  const sign = (bits[0] >>> 16) & 32_768;
  const size = Math.abs(number);
  // Beside a half, 32-bit floats are as far apart as the smallest 16-bit ones.
  float[0] = size < 2 ** -14 ? size + 0.5 : size;
  if (size < 2 ** -14) return sign | (bits[0] - 0x3f00_0000);
  return sign | ((bits[0] - 0x3800_0000 + 0xfff + ((bits[0] >> 13) & 1)) >> 13);
}

/** Blocks of 32 weights: from a scale, a minimum and four bits each to a scale and four bits each. */
export function requantize(from) {
  const blocks = from.length / 20;
  const to = Buffer.alloc(blocks * 18);
  const weights = new Float32Array(32);
  for (let block = 0; block < blocks; block++) {
    const [input, output] = [block * 20, block * 18];
    const scale = HALVES[from.readUInt16LE(input)];
    const least = HALVES[from.readUInt16LE(input + 2)];
    let greatest = 0;
    for (let i = 0; i < 32; i++) {
      const byte = from[input + 4 + (i & 15)];
      weights[i] = round(scale * (i < 16 ? byte & 15 : byte >> 4)) + least;
      if (Math.abs(weights[i]) > Math.abs(greatest)) greatest = weights[i];
    }
    const step = round(greatest / -8);
    const inverse = step === 0 ? 0 : round(1 / step);
    to.writeUInt16LE(toHalf(step), output);
    for (let i = 0; i < 32; i++) {
      const code = Math.min(15, Math.trunc(round(round(weights[i] * inverse) + 8.5)));
      to[output + 2 + (i & 15)] |= i < 16 ? code : code << 4;
    }
  }
  return to;
}

/** What a file's header says, and where: `fileType` and each tensor's `field` are places in it. */
function readHeader(file) {
  if (file.toString("latin1", 0, 4) !== "GGUF") throw new Failure("not a GGUF file");
  let at = 8;
  const u32 = () => file.readUInt32LE((at += 4) - 4);
  const u64 = () => Number(file.readBigUInt64LE((at += 8) - 8));
  const text = () => {
    const length = u64();
    return file.toString("utf8", at, (at += length));
  };
  const skip = (type) => {
    if (type === STRING) text();
    else if (type === ARRAY) for (let each = u32(), left = u64(); left > 0; left--) skip(each);
    else at += BYTES[type];
  };
  const header = { alignment: 32, fileType: undefined };
  const [count, fields] = [u64(), u64()];
  for (let i = 0; i < fields; i++) {
    const [name, type] = [text(), u32()];
    if (name === "general.file_type") header.fileType = at;
    if (name === "general.alignment") header.alignment = file.readUInt32LE(at);
    skip(type);
  }
  const tensors = Array.from({ length: count }, () => {
    text();
    const elements = Array.from({ length: u32() }, u64).reduce((product, size) => product * size, 1);
    return { elements, field: at, type: u32(), offset: u64() };
  });
  return { ...header, tensors, end: at };
}

/** The file in Q4_0, as parts to write one behind the other. */
export function inQ4_0(file) {
  const { alignment, fileType, tensors, end } = readHeader(file);
  const aligned = (size) => Math.ceil(size / alignment) * alignment;
  const start = aligned(end);
  const header = Buffer.from(file.subarray(0, start));
  if (fileType !== undefined) header.writeUInt32LE(MOSTLY_Q4_0, fileType);
  const parts = [header];
  let offset = 0;
  const inOrder = tensors.toSorted((a, b) => a.offset - b.offset);
  for (const [index, { elements, field, type, offset: before }] of inOrder.entries()) {
    const place = start + before;
    // Whatever the type, a tensor reaches to the next one.
    const next = index + 1 < inOrder.length ? start + inOrder[index + 1].offset : file.length;
    let data = file.subarray(place, next);
    if (type === Q4_1) {
      data = requantize(file.subarray(place, place + (elements / 32) * 20));
      header.writeUInt32LE(Q4_0, field);
    }
    header.writeBigUInt64LE(BigInt(offset), field + 4);
    const size = aligned(data.length);
    parts.push(data, Buffer.alloc(size - data.length));
    offset += size;
  }
  return parts;
}
