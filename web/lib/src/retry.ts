/** When a request that failed is repeated. */
import { NomulError, PassingError } from "./errors.js";
import { tuning } from "./tuning.js";

/** How often a request is repeated while nothing comes, by it or by any other. */
const MOST = 5;
/** And while nothing has ever come: then the address is likelier wrong than the connection weak. */
const MOST_AT_FIRST = 2;
/** The longest wait that a server can ask for. */
const LONGEST_WAIT_MS = 30_000;
/** Without a network requests wait for one; so long at most, as not every system knows whether it has one. */
const OFFLINE_MS = 30_000;
/** How often it is looked whether there is one: not every worker is told. */
const LOOK_MS = 500;

/** `onLine` is undefined outside of browsers. */
const isOffline = () => (globalThis as { navigator?: Navigator }).navigator?.onLine === false;

export interface Wait {
  /** Which repetition it precedes, from 1. */
  attempt: number;
  /** When it ends, on the clock of `performance.now()`. */
  until: number;
  /** What went wrong. */
  reason: string;
}

/** What the requests of a download share: bytes that come over any connection give new hope to all. */
export class Patience {
  /** Bytes that came over the network. */
  received = 0;
  readonly #waits = new Set<Wait>();
  readonly #onWait: () => void;

  /** `onWait` is called when a wait begins and when one ends. */
  constructor(onWait: () => void) {
    this.#onWait = onWait;
  }

  /** The wait that began last. */
  get wait(): Wait | undefined {
    return [...this.#waits].at(-1);
  }

  /** Waits until the wait ends, or is not needed any more, and tells. Throws if the signal fires meanwhile. */
  async pause(wait: Wait, signal: AbortSignal, isNeeded = () => true): Promise<void> {
    this.#waits.add(wait);
    this.#onWait();
    try {
      for (let left; (left = wait.until - performance.now()) > 0 && isNeeded();) {
        await sleep(Math.min(left, LOOK_MS), signal);
      }
    } finally {
      this.#waits.delete(wait);
      this.#onWait();
    }
  }
}

async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  await new Promise<void>((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done);
  });
  signal.throwIfAborted();
}

/** The attempts at one request. */
export class Attempts {
  readonly #patience: Patience;
  #failed = 0;
  /** Bytes that had come at the last failure. */
  #received = 0;

  constructor(patience: Patience) {
    this.#patience = patience;
  }

  /** Waits until it is worth trying again after this error. Throws it where it is not. */
  async again(error: unknown, signal: AbortSignal): Promise<void> {
    if (!(error instanceof PassingError)) throw error;
    const { received } = this.#patience;
    if (received !== this.#received) this.#failed = 0;
    this.#received = received;
    const attempt = this.#failed + 1;
    if (isOffline()) {
      const wait = { attempt, until: performance.now() + OFFLINE_MS, reason: "there is no network" };
      return this.#patience.pause(wait, signal, isOffline);
    }
    if (this.#failed === (received === 0 ? MOST_AT_FIRST : MOST)) {
      throw new NomulError(error.code, `${error.message} (tried ${attempt} times)`, { cause: error });
    }
    // Chance keeps requests that failed together from coming back together.
    const backoff = tuning.firstPauseMs * 2 ** this.#failed * (0.5 + Math.random() / 2);
    this.#failed = attempt;
    const ms = Math.max(backoff, Math.min(error.waitMs, LONGEST_WAIT_MS));
    await this.#patience.pause({ attempt, until: performance.now() + ms, reason: error.message }, signal);
  }
}
