/** Reads a model folder into an engine, telling honestly how far it is. */
import { openShardCache, type ShardCache } from "./cache.js";
import type { Engine, EngineClass, EngineProgress, Shard } from "./engine.js";
import { NomulError } from "./errors.js";
import { samplingDefaults } from "./generate.js";
import { parseObject } from "./json.js";
import { Meter } from "./meter.js";
import { readFile, type Bytes, type Parts, type Source } from "./source.js";
import type { LoadProgress, SamplingOptions } from "./types.js";

const REPORT_EVERY_MS = 100;
const STALL_TICK_MS = 1000;
const NOTHING_YET: EngineProgress = { received: 0, total: 0, level: 0, levels: 0, usable: false };

export interface DownloadOptions {
  /** The model folder, ending in a slash. */
  url: string;
  source: Source;
  cache: boolean;
  signal: AbortSignal;
  report: (progress: LoadProgress) => void;
}

/** What the small files of a model folder give. */
export interface Description {
  /** Waits for its weights. */
  engine: Engine;
  /** How the model wants its tokens chosen. */
  sampling: SamplingOptions;
}

export class Download {
  readonly #options: DownloadOptions;
  readonly #meter = new Meter();
  /** Bytes of the small files so far. */
  #described = 0;
  #engine: EngineProgress = NOTHING_YET;
  #last: LoadProgress | undefined;
  #lastTime = -Infinity;

  constructor(options: DownloadOptions) {
    this.#options = options;
    this.progress("engine", undefined);
  }

  /** Fetches what describes the model and makes its engine. */
  async describe(Engine: EngineClass, contextLength: number | undefined): Promise<Description> {
    const read = (file: string, optional: boolean) =>
      readFile(this.#options.source, file, optional, this.#options.signal, (count) => {
        this.#described += count;
        this.progress("description", file);
      });
    const need = (file: string) => read(file, false) as Promise<Bytes>;
    const [config, index, tokenizer, tokenizerConfig, generationConfig] = await Promise.all([
      need("config.json"),
      need("model.safetensors.index.json"),
      need("tokenizer.json"),
      read("tokenizer_config.json", true),
      read("generation_config.json", true),
    ]);
    // Asked for only where it is needed: a browser's console notes every file that is not there.
    const hasTemplate = Boolean(parseObject(tokenizerConfig)?.chat_template);
    const template = hasTemplate ? undefined : await read("chat_template.jinja", true);
    const engine = new Engine(config, index, tokenizer, tokenizerConfig, template, generationConfig, contextLength);
    this.#engine = engine.progress();
    return { engine, sampling: samplingDefaults(generationConfig) };
  }

  /** Streams the weights. `onShard` is called after each. */
  async weights(engine: Engine, onShard: () => void): Promise<void> {
    const { cache: wanted, url } = this.#options;
    const cache = wanted ? await openShardCache(url) : undefined;
    // A download that stalls must be seen to stall: its speed falls although nothing comes.
    const heartbeat = setInterval(() => this.progress("weights", this.#last?.file), STALL_TICK_MS);
    try {
      for (const shard of engine.shards()) {
        this.progress("weights", shard.file);
        await this.#shard(engine, shard, cache);
        onShard();
      }
    } finally {
      clearInterval(heartbeat);
    }
    this.progress("done", undefined);
  }

  async #shard(engine: Engine, shard: Shard, cache: ShardCache | undefined): Promise<void> {
    const kept = await cache?.find(shard);
    try {
      const parts = kept ?? (await this.#fetch(shard));
      await this.#push(engine, shard, kept || !cache ? parts : cache.keep(shard, parts));
    } catch (error) {
      if (cache && (error as { code?: unknown }).code === "checksum") await cache.forget(shard);
      throw error;
    }
  }

  async #fetch(shard: Shard): Promise<Parts> {
    const parts = await this.#options.source.open(shard.file, false, this.#options.signal);
    if (parts === undefined) throw new NomulError("missing", `${shard.file}: there is no such file`);
    return parts;
  }

  /** Each part goes straight into the engine, which keeps weights in one place and checks every shard's SHA-256. */
  async #push(engine: Engine, shard: Shard, parts: Parts): Promise<void> {
    let received = 0;
    for await (const part of parts) {
      this.#options.signal.throwIfAborted();
      received += part.length;
      if (received > shard.bytes) {
        throw new NomulError("format", `${shard.file}: more than the ${shard.bytes} bytes that the index promises`);
      }
      engine.push(part);
      this.#engine = engine.progress();
      this.progress("weights", shard.file);
    }
    if (received < shard.bytes) {
      throw new NomulError("format", `${shard.file}: ended after ${received} of ${shard.bytes} bytes`);
    }
  }

  progress(phase: LoadProgress["phase"], file: string | undefined): void {
    const now = performance.now();
    const { received, total: weights, level, levels, usable } = this.#engine;
    const loaded = this.#described + received;
    const total = weights > 0 ? this.#described + weights : undefined;
    this.#meter.note(loaded, now);
    const last = this.#last;
    const changed = last?.phase !== phase || last.level !== level || last.usable !== usable;
    if (!changed && now - this.#lastTime < REPORT_EVERY_MS) return;
    const { bytesPerSecond } = this.#meter;
    const secondsLeft = bytesPerSecond && total !== undefined ? (total - loaded) / bytesPerSecond : undefined;
    this.#last = { phase, file, loaded, total, bytesPerSecond, secondsLeft, level, levels, usable };
    this.#lastTime = now;
    this.#options.report(this.#last);
  }
}
