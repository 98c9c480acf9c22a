/**
 * What all conversations of an application begin with: the system message, tools, and what a chat template puts around them.
 * It is read once, and its keys and values are kept beside the weights, so that no later visit reads it again.
 */
import type { Engine } from "./engine.js";
import type { GenerateArguments } from "./protocol.js";
import type { Bytes } from "./source.js";
import type { Keeping } from "./storage/keeping.js";
import type { ChatTemplate } from "./template.js";
import { turn } from "./turn.js";

/** Tokens. A shorter beginning is read sooner than its file. */
const LEAST = 8;

export class Beginning {
  readonly #keeping: Promise<Keeping | undefined>;
  readonly #found: Promise<Bytes | undefined>;
  /** The tokens that keys and values are kept of. */
  #kept = "";

  /** Looks what an earlier visit has kept. */
  constructor(keeping: Promise<Keeping | undefined>) {
    this.#keeping = keeping.catch(() => undefined);
    this.#found = this.#keeping.then((place) => place?.beginning());
  }

  /** Puts that into an engine which can answer. */
  async restore(engine: Engine): Promise<void> {
    const state = await this.#found;
    if (state === undefined) return;
    try {
      engine.loadState(state);
      this.#kept = idsOf(state).join();
    } catch {
      // Of an older version of the model, or cut off: it is made anew.
    }
  }

  /** Reads the beginning of a request and keeps it, unless it is kept already. `enter` makes room in the engine for it. */
  async keep(
    engine: Engine,
    template: ChatTemplate,
    request: GenerateArguments,
    enter: () => void,
    signal: AbortSignal,
  ): Promise<void> {
    const keeping = await this.#keeping;
    if (keeping?.stored.kind !== "opfs") return;
    const ids = beginningOf(engine, template, request);
    if (ids.length < LEAST || ids.join() === this.#kept) return;
    enter();
    engine.start(ids, { max_tokens: 1, stop: [], sample: {} });
    while (engine.step().type === "prefill") {
      await turn();
      signal.throwIfAborted();
    }
    await keeping.keepBeginning(new Uint8Array(engine.saveState()));
    this.#kept = ids.join();
  }
}

/** The tokens that a prompt begins with whatever the user says first. */
function beginningOf(engine: Engine, template: ChatTemplate, { prompt }: GenerateArguments): Uint32Array {
  const first = "messages" in prompt ? prompt.messages.findIndex(({ role }) => role === "user") : -1;
  if (!("messages" in prompt) || first < 0) return new Uint32Array();
  const now = new Date();
  const asking = (content: string) => {
    const messages = [...prompt.messages.slice(0, first), { role: "user" as const, content }];
    return engine.tokenize(template.render(messages, prompt.tools, now), false);
  };
  const [one, other] = [asking("0"), asking("a")];
  const length = one.findIndex((id, place) => id !== other[place]);
  return one.slice(0, Math.max(length, 0));
}

/** The layout is told in crate/text/src/session/saved.rs. */
function idsOf(state: Bytes): number[] {
  const view = new DataView(state.buffer);
  return Array.from({ length: view.getUint32(48, true) }, (_, place) => view.getUint32(52 + 4 * place, true));
}
