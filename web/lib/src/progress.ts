/** Tells honestly how far loading is. */
import type { EngineProgress } from "./engine.js";
import type { LoadProgress, Stored } from "./load-types.js";
import { Meter } from "./meter.js";
import type { Patience, Wait } from "./retry.js";

const REPORT_EVERY_MS = 100;
const NOTHING_YET: EngineProgress = { received: 0, total: 0, level: 0, levels: 0, usable: false, layers: [] };

export class Progress {
  phase: LoadProgress["phase"] = "engine";
  file: string | undefined;
  /** Bytes of the small files so far. */
  described = 0;
  /** Asked when something is reported. */
  engine: () => EngineProgress = () => NOTHING_YET;
  /** Bytes that the engine took from storage. */
  fromCache = 0;
  /** Bytes that are here but not in the engine yet: in storage, or on their way from the network. */
  ahead: () => number = () => 0;
  stored: Stored | undefined;
  readonly #patience: Patience;
  readonly #report: (progress: LoadProgress) => void;
  readonly #meter = new Meter();
  #last: LoadProgress | undefined;
  #lastWait: Wait | undefined;
  #lastTime = -Infinity;

  constructor(patience: Patience, report: (progress: LoadProgress) => void) {
    this.#patience = patience;
    this.#report = report;
  }

  /** Reports, unless it has just done so and nothing but the number of bytes is new. */
  update(isNews = false): void {
    const now = performance.now();
    this.#meter.note(this.#patience.received, now);
    if (!isNews && !this.#isNews() && now - this.#lastTime < REPORT_EVERY_MS) return;
    this.#lastTime = now;
    this.#lastWait = this.#patience.wait;
    this.#last = this.#now(now);
    this.#report(this.#last);
  }

  #isNews(): boolean {
    const { phase, file, stored } = this.#last ?? {};
    return (
      phase !== this.phase || file !== this.file || stored !== this.stored || this.#lastWait !== this.#patience.wait
    );
  }

  #now(now: number): LoadProgress {
    const { phase, file, fromCache, stored } = this;
    const { received, total: weights, level, levels, usable, layers } = this.engine();
    const loaded = this.described + received;
    const total = weights > 0 ? this.described + weights : undefined;
    const { bytesPerSecond } = this.#meter;
    const left = total === undefined ? undefined : Math.max(0, total - loaded - this.ahead());
    const secondsLeft = left === 0 ? 0 : bytesPerSecond && left !== undefined ? left / bytesPerSecond : undefined;
    const { wait } = this.#patience;
    return {
      phase,
      file,
      loaded,
      total,
      bytesPerSecond,
      secondsLeft,
      level,
      levels,
      usable,
      layers,
      fromCache,
      stored,
      ...(wait && {
        retry: { attempt: wait.attempt, inSeconds: Math.max(0, wait.until - now) / 1000, reason: wait.reason },
      }),
    };
  }
}
