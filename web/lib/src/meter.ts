/** Bytes a second over the last few seconds. */
const WINDOW_MS = 5000;
/** Below this a speed is noise. */
const SHORTEST_MS = 500;

export class Meter {
  #samples: { time: number; bytes: number }[] = [];

  /** Notes that `bytes` have come in all, at `time` in milliseconds. */
  note(bytes: number, time: number): void {
    const last = this.#samples.at(-1);
    // Ten samples a second are enough; the newest one always moves along.
    if (last !== undefined && this.#samples.length > 1 && time - this.#samples.at(-2)!.time < 100) {
      last.time = time;
      last.bytes = bytes;
    } else {
      this.#samples.push({ time, bytes });
    }
    while (this.#samples.length > 2 && time - this.#samples[0]!.time > WINDOW_MS) this.#samples.shift();
  }

  /** `undefined` before half a second has been measured. */
  get bytesPerSecond(): number | undefined {
    const first = this.#samples[0];
    const last = this.#samples.at(-1);
    if (first === undefined || last === undefined || last.time - first.time < SHORTEST_MS) return undefined;
    return ((last.bytes - first.bytes) * 1000) / (last.time - first.time);
  }
}
