/** Sizes and times of loading. Tests make them small, and so does nothing else. */
export const tuning = {
  /** Bytes of weights that one request asks for. */
  segmentBytes: 2 << 20,
  /** Requests at once. */
  requests: 3,
  /** Before a request is repeated for the first time; twice as long before each further time. */
  firstPauseMs: 250,
  /** Read from the disk at once. */
  readBytes: 2 << 20,
};
