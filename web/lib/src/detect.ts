/** The two compiled engines. They give the same bits; `relaxed` needs fewer instructions for a look-up. */
export type Build = "simd" | "relaxed";

/** What this JavaScript engine can run. */
export interface Capabilities {
  /** WebAssembly SIMD, which nomul needs: Chrome 91, Firefox 89, Safari 16.4, Node 16.4. */
  simd: boolean;
  /** WebAssembly relaxed SIMD: Chrome 114, Firefox 146, Node 22. */
  relaxedSimd: boolean;
  /** The page is cross-origin isolated. nomul does not need it. */
  crossOriginIsolated: boolean;
  /** The engine that `build: "auto"` takes, `undefined` where none runs. */
  build: Build | undefined;
  /** Why that one: one sentence. */
  reason: string;
}

// prettier-ignore
const HEADER = [
  0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, // \0asm, version 1
  0x01, 0x05, 0x01, 0x60, 0x00, 0x01, 0x7b,       // type 0: () -> v128
  0x03, 0x02, 0x01, 0x00,                         // function 0 has type 0
];
const SPLAT_ZERO = [0x41, 0x00, 0xfd, 0x0f]; // i32.const 0; i8x16.splat
const RELAXED_SWIZZLE = [0xfd, 0x80, 0x02];
const END = 0x0b;

/** A module with one function of that body. Only its validity is asked, it never runs. */
function probe(body: number[]): Uint8Array<ArrayBuffer> {
  const code = [0x00, ...body, END]; // no locals
  return new Uint8Array([...HEADER, 0x0a, code.length + 2, 0x01, code.length, ...code]);
}

/** Asks this JavaScript engine what it can run. Takes well under a millisecond and fetches nothing. */
export function detect(): Capabilities {
  const wasm = typeof WebAssembly === "object";
  const simd = wasm && WebAssembly.validate(probe(SPLAT_ZERO));
  const relaxedSimd = simd && WebAssembly.validate(probe([...SPLAT_ZERO, ...SPLAT_ZERO, ...RELAXED_SWIZZLE]));
  const crossOriginIsolated = globalThis.crossOriginIsolated === true;
  if (!simd) {
    const lack = wasm ? "WebAssembly SIMD" : "WebAssembly";
    return { simd, relaxedSimd, crossOriginIsolated, build: undefined, reason: `This engine has no ${lack}.` };
  }
  return relaxedSimd
    ? { simd, relaxedSimd, crossOriginIsolated, build: "relaxed", reason: "This engine has relaxed SIMD." }
    : { simd, relaxedSimd, crossOriginIsolated, build: "simd", reason: "This engine has SIMD, but not relaxed SIMD." };
}
