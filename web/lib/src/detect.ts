/** What this JavaScript engine runs, and which of the compiled engines suits it. */
import { threadBuilds } from "../wasm/threads.js";

/**
 * The compiled engines. All give the same bits; `relaxed` needs fewer instructions for a look-up, and `threads` share
 * out the work.
 */
export type Build = "simd" | "relaxed" | "simd-threads" | "relaxed-threads";

/** The most threads that an engine takes. */
export const MOST_THREADS = 32;

/** What this JavaScript engine can run. */
export interface Capabilities {
  /** WebAssembly SIMD, which nomul needs: Chrome 91, Firefox 89, Safari 16.4, Node 16.4. */
  simd: boolean;
  /** WebAssembly relaxed SIMD: Chrome 114, Firefox 146, Node 22. */
  relaxedSimd: boolean;
  /** WebAssembly threads. In a browser they need a page that is cross-origin isolated. */
  threads: boolean;
  /** The page is cross-origin isolated: it is served with the headers COOP and COEP. Only threads need that. */
  crossOriginIsolated: boolean;
  /** Threads that `threads: "auto"` takes. */
  autoThreads: number;
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

// prettier-ignore
const ATOMICS = [
  0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, // \0asm, version 1
  0x01, 0x04, 0x01, 0x60, 0x00, 0x00,             // type 0: () -> ()
  0x03, 0x02, 0x01, 0x00,                         // function 0 has type 0
  0x05, 0x04, 0x01, 0x03, 0x01, 0x01,             // a shared memory of one page
  0x0a, 0x0b, 0x01, 0x09, 0x00,                   // a body without locals
  0x41, 0x00, 0xfe, 0x10, 0x02, 0x00, 0x1a, 0x0b, // i32.const 0; i32.atomic.load; drop; end
];

/** A module with one function of that body. Only its validity is asked, it never runs. */
function probe(body: number[]): Uint8Array<ArrayBuffer> {
  const code = [0x00, ...body, END]; // no locals
  return new Uint8Array([...HEADER, 0x0a, code.length + 2, 0x01, code.length, ...code]);
}

/** What this JavaScript engine can run, on a machine with so many processors. */
export function detectFor(processors: number): Capabilities {
  const wasm = typeof WebAssembly === "object";
  const simd = wasm && WebAssembly.validate(probe(SPLAT_ZERO));
  const relaxedSimd = simd && WebAssembly.validate(probe([...SPLAT_ZERO, ...SPLAT_ZERO, ...RELAXED_SWIZZLE]));
  const crossOriginIsolated = globalThis.crossOriginIsolated === true;
  const lack = !simd ? (wasm ? "WebAssembly SIMD" : "WebAssembly") : lackForThreads();
  const threads = lack === undefined;
  const autoThreads = threads ? threadsFor(processors) : 1;
  const capabilities = { simd, relaxedSimd, threads, crossOriginIsolated, autoThreads };
  if (!simd) return { ...capabilities, build: undefined, reason: `This engine has no ${lack}.` };
  const one = relaxedSimd ? "relaxed" : "simd";
  const has = relaxedSimd ? "This engine has relaxed SIMD" : "This engine has SIMD, but not relaxed SIMD";
  return {
    ...capabilities,
    build: autoThreads > 1 ? `${one}-threads` : one,
    reason: threads ? `${has}; threads: ${autoThreads}.` : `${has}; one thread: ${lack}.`,
  };
}

/** What is missing for threads: half a sentence. */
function lackForThreads(): string | undefined {
  if (!threadBuilds) return "this package was built without the engines for several";
  // Node does not know isolation, and shares memory always.
  if (globalThis.crossOriginIsolated === false) {
    return "the page is not cross-origin isolated (it is served without the headers COOP and COEP)";
  }
  const has = typeof SharedArrayBuffer === "function" && WebAssembly.validate(new Uint8Array(ATOMICS));
  return has ? undefined : "it has no WebAssembly threads";
}

/**
 * How many threads suit so many processors. Two of these are often one core, which has one unit for vectors, and some
 * cores of phones are slow: all wait for the slowest. A page should also leave something to others.
 */
function threadsFor(processors: number): number {
  return Math.max(Math.min(2, processors), Math.min(8, Math.floor(processors / 2)));
}
