// The builds and numbers of threads that the package is tested with.

import { detect } from "nomul";

const { relaxedSimd, threads: canShare } = detect();

/** In Chromium. */
export const CHROMIUM_LOADS = [
  ...["simd", "relaxed"].map((build) => ({ build, threads: 1 })),
  ...(canShare ? [2, 3].map((threads) => ({ build: "simd-threads", threads })) : []),
  ...(canShare ? [{ build: "relaxed-threads", threads: 2 }] : []),
];

/** In Node, which compiles relaxed SIMD from version 22 on. */
export const NODE_LOADS = CHROMIUM_LOADS.filter(({ build }) => relaxedSimd || build.startsWith("simd"));
