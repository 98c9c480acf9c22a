/** The state of the page: one model, one conversation. Panels show parts of it and call its methods. */
import { detect, load, type LoadProgress, type MatrixInfo, type Message, type Model, type Timings } from "nomul";

export type Status = "loading" | "ready" | "cancelled" | "failed" | "unsupported";

/** A message as the page shows it. */
export interface Entry extends Message {
  id: number;
  role: "user" | "assistant";
  /** What became of an answer. */
  state: "writing" | "done" | "stopped" | "failed";
  /** Why it failed. */
  error?: string;
  /** The levels of bits that an answer began and ended with, and how many there are. */
  levels?: { from: number; to: number; of: number };
}

/** An answer begins with the first level of bits; the others join while it is written. */
const START = 1;

/** What the drawer sets. An empty field leaves the choice to the model. */
export interface Settings {
  system: string;
  temperature: number | null;
  top_p: number | null;
  top_k: number | null;
  min_p: number | null;
  repetition_penalty: number | null;
  max_tokens: number | null;
  seed: number | null;
}

export const DEFAULT_SETTINGS: Readonly<Settings> = {
  system: "",
  temperature: 0.5,
  top_p: 0.9,
  top_k: null,
  min_p: null,
  repetition_penalty: 1.1,
  max_tokens: 512,
  seed: null,
};

export class Session {
  status: Status = $state("loading");
  error = $state("");
  progress: LoadProgress | undefined = $state.raw();
  model: Model | undefined = $state.raw();
  /** Something stopped the rest of the planes; the model goes on with those it has. */
  warning = $state("");
  matrices: MatrixInfo[] = $state.raw([]);
  /** Evaluate with this many plane shards; `undefined`: with all that are here. */
  planes: number | undefined = $state();
  conversation: Entry[] = $state([]);
  settings: Settings = $state({ ...DEFAULT_SETTINGS });
  /** Prompt tokens read so far, while an answer is being prepared. */
  reading: { done: number; total: number } | undefined = $state.raw();
  timings: Timings | undefined = $state.raw();
  readonly capabilities = detect();
  readonly answering = $derived(this.conversation.at(-1)?.state === "writing");

  readonly #address: string;
  #loading = new AbortController();
  #answer = new AbortController();
  #nextId = 1;

  constructor(address: string) {
    this.#address = address;
  }

  /** Loads the model, or tries again. */
  async load(): Promise<void> {
    if (this.capabilities.build === undefined) {
      this.status = "unsupported";
      return;
    }
    void this.model?.dispose();
    this.model = undefined;
    this.status = "loading";
    this.error = "";
    this.warning = "";
    this.progress = undefined;
    this.#loading = new AbortController();
    const { signal } = this.#loading;
    try {
      const onProgress = (progress: LoadProgress) => this.#onProgress(progress);
      const model = await load(this.#address, { signal, onProgress, startAtPlanes: START });
      this.model = model;
      this.status = "ready";
      await this.#inspect();
      await model.downloaded;
      await this.#inspect();
    } catch (error) {
      if (this.model === undefined) {
        this.status = signal.aborted ? "cancelled" : "failed";
        this.error = describe(error);
      } else {
        this.warning = signal.aborted ? "The rest of the download was cancelled." : describe(error);
      }
    }
  }

  /** Stops the download. What has come stays usable if it is enough. */
  cancel(): void {
    this.#loading.abort();
  }

  async setPlanes(planes: number | undefined): Promise<void> {
    await this.model?.setPlanes(planes);
    this.planes = planes;
  }

  /** Sends a message and writes the answer. */
  async send(text: string): Promise<void> {
    if (this.model === undefined || this.answering) return;
    this.conversation.push({ id: this.#nextId++, role: "user", content: text, state: "done" });
    await this.#write(this.model);
  }

  /** Writes the last answer anew. */
  async regenerate(): Promise<void> {
    if (this.model === undefined || this.answering || this.conversation.length === 0) return;
    if (this.conversation.at(-1)?.role === "assistant") this.conversation.pop();
    await this.#write(this.model);
  }

  stop(): void {
    this.#answer.abort();
  }

  clear(): void {
    this.stop();
    this.conversation = [];
    this.timings = undefined;
  }

  async #write(model: Model): Promise<void> {
    const messages = this.#messages();
    this.conversation.push({ id: this.#nextId++, role: "assistant", content: "", state: "writing" });
    const entry = this.conversation.at(-1)!;
    entry.levels = { from: this.#level, to: this.#level, of: this.progress?.levels ?? 0 };
    this.#answer = new AbortController();
    const { signal } = this.#answer;
    try {
      const onPrefill = (done: number, total: number) => (this.reading = { done, total });
      const request = { messages, stream: true, signal, onPrefill, ...this.#sampling() } as const;
      for await (const { choices, timings } of model.chat(request)) {
        const text = choices[0].delta.content ?? "";
        if (text !== "") this.reading = undefined;
        entry.content += text;
        if (timings) this.timings = timings;
        entry.levels.to = this.#level;
      }
      entry.state = "done";
    } catch (error) {
      entry.state = signal.aborted ? "stopped" : "failed";
      if (!signal.aborted) entry.error = describe(error);
    } finally {
      this.reading = undefined;
    }
  }

  /** The levels of bits that answers are written with now. */
  get #level(): number {
    const here = this.progress?.level ?? 0;
    return Math.min(this.planes ?? here, here);
  }

  /** The conversation as the model reads it. Answers that failed before their first word are left out. */
  #messages(): Message[] {
    const { system } = this.settings;
    const said = this.conversation.filter(({ content }) => content !== "");
    return [
      ...(system.trim() === "" ? [] : [{ role: "system", content: system } as const]),
      ...said.map(({ role, content }) => ({ role, content })),
    ];
  }

  #sampling() {
    const { system: _system, ...fields } = this.settings;
    return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null));
  }

  #onProgress(progress: LoadProgress): void {
    const changed = progress.level !== this.progress?.level;
    this.progress = progress;
    if (changed && this.model !== undefined) void this.#inspect();
  }

  async #inspect(): Promise<void> {
    if (this.model !== undefined) this.matrices = await this.model.inspect();
  }
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
