/** One question, answered with two sets of planes, one after the other: the engine has one model in memory. */
import type { Message } from "nomul";
import type { Session } from "./session.svelte.ts";

/** One of the two answers. */
export interface Side {
  /** Levels of planes that it is written with; `undefined`: all. */
  levels: number | undefined;
  text: string;
  state: "waiting" | "writing" | "done" | "stopped" | "failed";
}

/** Tokens of an answer: enough to see a difference. */
const MOST_TOKENS = 96;

export class Comparison {
  question = $state("");
  sides: Side[] = $state([]);
  readonly running = $derived(this.sides.some(({ state }) => state === "waiting" || state === "writing"));

  readonly #session: Session;
  #controller = new AbortController();

  constructor(session: Session) {
    this.#session = session;
  }

  /** Answers with so many levels, then with all. Both take the likeliest token each time, so only the planes differ. */
  async run(question: string, levels: number): Promise<void> {
    const { model } = this.#session;
    if (model === undefined || this.#session.answering) return;
    this.question = question;
    this.sides = [levels, undefined].map((each) => ({ levels: each, text: "", state: "waiting" }));
    const { signal } = (this.#controller = new AbortController());
    const messages: Message[] = [{ role: "user", content: question }];
    try {
      for (const side of this.sides) {
        await model.setPlanes(side.levels);
        side.state = "writing";
        const request = { messages, stream: true, temperature: 0, max_tokens: MOST_TOKENS, signal } as const;
        for await (const { choices } of model.chat(request)) side.text += choices[0].delta.content ?? "";
        side.state = "done";
      }
    } catch (error) {
      for (const side of this.sides.filter(({ state }) => state !== "done")) {
        side.state = signal.aborted ? "stopped" : "failed";
        if (!signal.aborted && side.text === "") side.text = error instanceof Error ? error.message : String(error);
      }
    } finally {
      await model.setPlanes(this.#session.planes).catch(() => undefined);
    }
  }

  stop(): void {
    this.#controller.abort();
  }
}
