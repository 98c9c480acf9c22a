/** The state of the page: one model, one conversation. Panels show parts of it and call its methods. */
import {
  detect,
  load,
  type LoadProgress,
  type MatrixInfo,
  type Message,
  type Model,
  type Timings,
  type Usage,
} from "nomul";
import { Comparison } from "./comparison.svelte.ts";
import { keepPage } from "./offline.ts";
import { renewed } from "./panels/bits/cells.ts";
import { decode, mostBytes } from "./panels/why/coded.ts";
import { inside, scales, type Inside } from "./panels/why/inside.ts";
import type { Place } from "./place.ts";
import { speedOf, type Speed } from "./speed.ts";
import { DEFAULT_SETTINGS, sampling, type Settings } from "./settings.ts";
import { Tensors } from "./tensors.ts";

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
  /** How fast it went, and of how many tokens. */
  timings?: Timings;
  usage?: Usage;
}

/** An answer begins with the first level of bits; the others join while it is written. */
const START = 1;

/** What is timed: enough tokens for a mean, few enough that nobody waits for them. */
const TRIAL = "Once upon a time";
const TRIAL_TOKENS = 16;

/** For what nobody gives up. */
const NEVER = new AbortController().signal;

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
  /** Where the model comes from. */
  place: Place = $state.raw({ address: "" });
  /** Which level brings the last plane of a matrix; known once the model's index has been read. */
  completes: ((matrix: Pick<MatrixInfo, "name" | "planes">) => number | undefined) | undefined = $state.raw();
  /** How long a token takes, with the planes that were in use. */
  speed: Speed | undefined = $state.raw();
  /** All of the model is here. */
  whole = $state(false);
  /** The page would have threads if it were loaded anew. */
  threadsNext = $state(false);
  readonly comparison = new Comparison(this);
  readonly capabilities = detect();
  #timing = false;
  readonly answering = $derived(this.conversation.at(-1)?.state === "writing" || this.comparison.running);
  /** Reads what is stored of single matrices. */
  readonly tensors = $derived.by(() => {
    const { model, place } = this;
    const read = place.fetch ?? ((url, init) => fetch(url, init));
    return model && new Tensors(model.info.url, (url, init) => read(url, { signal: NEVER, ...init }));
  });

  #loading = new AbortController();
  #answer = new AbortController();
  #nextId = 1;

  /** Loads another model; what was said to the one before goes with it. */
  async open(place: Place): Promise<void> {
    this.clear();
    this.#loading.abort();
    this.place = place;
    this.matrices = [];
    await this.load();
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
    this.completes = undefined;
    this.speed = undefined;
    this.whole = false;
    const loading = (this.#loading = new AbortController());
    const { signal } = loading;
    const isCurrent = () => this.#loading === loading;
    const { address, fetch } = this.place;
    try {
      const onProgress = (progress: LoadProgress) => {
        if (isCurrent()) this.#onProgress(progress);
      };
      const from = fetch === undefined ? address : { url: address, fetch };
      const model = await load(from, { signal, onProgress, startAtPlanes: START });
      this.model = model;
      this.status = "ready";
      void this.#readLevels();
      await this.#levelsCame();
      await model.downloaded;
      await this.#levelsCame();
      this.whole = true;
      this.threadsNext = await keepPage(model.info.url);
    } catch (error) {
      if (!isCurrent()) return;
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
    await this.#inspect();
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

  /** Times a few tokens of a conversation of their own, where no answer has told yet how long one takes. */
  async time(): Promise<void> {
    const { model } = this;
    if (model === undefined || this.speed !== undefined || this.#timing) return;
    this.#timing = true;
    try {
      const trial = await model.fork();
      const { timings } = await trial.complete({ prompt: TRIAL, max_tokens: TRIAL_TOKENS, temperature: 0 });
      await trial.dispose();
      if (this.model === model) this.#timed(timings, "trial");
    } catch {
      // Whoever asks next tries again.
    } finally {
      this.#timing = false;
    }
  }

  #timed({ decode_tokens_per_s }: Timings, from: Speed["from"]): void {
    if (decode_tokens_per_s > 0) this.speed = speedOf(this.matrices, 1000 / decode_tokens_per_s, from) ?? this.speed;
  }

  stop(): void {
    this.#answer.abort();
    this.comparison.stop();
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
      const request = { messages, stream: true, signal, onPrefill, ...sampling(this.settings) } as const;
      for await (const { choices, timings, usage } of model.chat(request)) {
        const text = choices[0].delta.content ?? "";
        if (text !== "") this.reading = undefined;
        entry.content += text;
        if (timings) this.timings = entry.timings = timings;
        if (usage) entry.usage = usage;
        entry.levels.to = this.#level;
      }
      entry.state = "done";
      // One that sharpened on its way says nothing about the planes in use now.
      if (entry.timings && entry.levels.from === entry.levels.to) this.#timed(entry.timings, "answer");
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

  #onProgress(progress: LoadProgress): void {
    const changed = progress.level !== this.progress?.level;
    this.progress = progress;
    if (changed && this.model !== undefined) void this.#levelsCame();
  }

  /** A number of levels that was asked for before they were here is set once they are. */
  async #levelsCame(): Promise<void> {
    const { model, planes } = this;
    if (model !== undefined && planes !== undefined && planes <= (this.progress?.level ?? 0)) {
      // There may be fewer levels than somebody's link names.
      await model.setPlanes(planes).catch(() => (this.planes = undefined));
    }
    await this.#inspect();
  }

  /** Pictures go without it where it cannot be read. */
  async #readLevels(): Promise<void> {
    const positionOf = await this.tensors?.positions().catch(() => undefined);
    if (positionOf === undefined) return;
    this.completes = ({ name, planes }) => positionOf(`${name}.weight.planes${planes}`);
  }

  /** What is stored of a matrix: the first rows of the planes in use, and their scales. */
  async look(
    { name, rows, columns, planes_ready, prefixes }: Omit<MatrixInfo, "kind">,
    signal: AbortSignal,
  ): Promise<Inside> {
    const { tensors } = this;
    if (tensors === undefined) throw new Error("the model is not here yet");
    const shape = { rows, columns };
    const levels = prefixes.filter((prefix) => prefix <= planes_ready);
    const [columnScales, rowScales, ...coded] = await Promise.all([
      tensors.read(`${name}.weight.columns${planes_ready}`, signal),
      tensors.read(`${name}.weight.rows`, signal),
      ...levels.map((to, at) => {
        return tensors.read(`${name}.weight.planes${to}`, signal, 0, mostBytes(shape, levels[at - 1] ?? 0, to));
      }),
    ]);
    const signs = coded.reduce<Uint8Array[]>((known, { bytes }, at) => decode(bytes, shape, known, levels[at]!), []);
    return inside(shape, signs, scales(columnScales.bytes), scales(rowScales.bytes));
  }

  async #inspect(): Promise<void> {
    if (this.model !== undefined) this.matrices = renewed(this.matrices, await this.model.inspect());
  }
}

export function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
