/** Keys and values of several conversations, of which the engine holds one. */
import type { Engine } from "./engine.js";

/** Whose turn it is while a text is read that is part of no conversation. */
export const READING = -1;

export class Kept {
  /** The conversation in the engine; the first one is the model's own. */
  #current = 0;
  readonly #states = new Map<number, Uint8Array>();

  /** Bytes of all that are kept. */
  get bytes(): number {
    return [...this.#states.values()].reduce((sum, { length }) => sum + length, 0);
  }

  /** Puts a conversation into the engine, and the one that was there aside. */
  enter(conversation: number, engine: Engine): void {
    if (conversation === this.#current) return;
    if (this.#current !== READING) this.keep(this.#current, engine);
    this.#current = conversation;
    const state = this.#states.get(conversation);
    this.#states.delete(conversation);
    try {
      if (state !== undefined) engine.loadState(state);
    } catch {
      // It was read with other planes: it is read again with its next request.
    }
  }

  /** Keeps what is in the engine for a conversation. */
  keep(conversation: number, engine: Engine): void {
    this.#states.delete(conversation);
    if (engine.cachedTokens === 0) return;
    try {
      this.#states.set(conversation, engine.saveState());
    } catch {
      // It was read while planes arrived: it is read again with its next request.
    }
  }

  drop(conversation: number): void {
    this.#states.delete(conversation);
    if (conversation === this.#current) this.#current = READING;
  }
}
