/** Reads a model folder into an engine: the small files, then the weights, from storage and from the network. */
import type { Engine, Shard } from "./engine.js";
import { parseObject } from "./json.js";
import type { LoadOptions, LoadProgress } from "./load-types.js";
import { Progress } from "./progress.js";
import { readFile, type Connection } from "./read.js";
import { Patience } from "./retry.js";
import { Feed, type Missing } from "./segments.js";
import type { Bytes, Source } from "./source.js";
import { Keeping } from "./storage/keeping.js";
import { openStores } from "./storage/stores.js";
import { ChatTemplate } from "./template.js";
import { Weights } from "./weights.js";

const STALL_TICK_MS = 1000;
/** Of a file in the folder itself, which an index may name. */
const FILE_NAME = /^[^./\\:][^/\\:]*$/;

export interface DownloadOptions {
  /** The model folder, ending in a slash. */
  url: string;
  source: Source;
  cache: LoadOptions["cache"];
  evict: boolean;
  /** How many plane shards somebody waits for; all where left out. */
  startAtPlanes: number | undefined;
  signal: AbortSignal;
  report: (progress: LoadProgress) => void;
}

/** The small files of a model folder. */
interface Description {
  config: Bytes;
  index: Bytes;
  tokenizer: Bytes;
  tokenizerConfig: Bytes | undefined;
  template: ChatTemplate;
  generationConfig: Bytes | undefined;
}

/** Weights on their way. */
interface Stream {
  shards: Shard[];
  keeping: Keeping;
  missing: Missing[];
  feed: Feed;
}

export class Download {
  readonly #options: DownloadOptions;
  readonly #connection: Connection;
  readonly #progress: Progress;
  #stores: ReturnType<typeof openStores> | undefined;
  #stream: Promise<Stream> | undefined;

  constructor(options: DownloadOptions) {
    this.#options = options;
    const patience = new Patience(() => this.#progress.update());
    this.#progress = new Progress(patience, options.report);
    this.#connection = { source: options.source, patience };
    this.#progress.update();
  }

  /** Fetches what describes the model. Weights begin to come as soon as it is known which: nobody waits for an engine. */
  async describe(): Promise<Description> {
    const progress = this.#progress;
    progress.phase = "description";
    // Looked for while the index comes.
    this.#stores = openStores(this.#options.url, this.#options.cache);
    this.#stores.catch(() => undefined);
    const read = (file: string, optional: boolean) =>
      readFile(this.#connection, file, optional, this.#options.signal, (count) => {
        progress.described += count;
        progress.file = file;
        progress.update();
      });
    const need = (file: string) => read(file, false) as Promise<Bytes>;
    const configuring = need("config.json");
    const readIndex = async () => {
      const index = await need("model.safetensors.index.json").catch(async (error: unknown) => {
        // Whoever gives a folder that is none hears of the other file, whichever answer came first.
        await configuring;
        throw error;
      });
      const shards = shardsOf(index);
      if (shards !== undefined) this.#stream = this.#begin(shards);
      // Whoever asks for weights hears of it.
      this.#stream?.catch(() => undefined);
      return index;
    };
    // The index says whether there is a form that is read faster.
    const reading = readIndex();
    const readTokenizer = async () => need(tokenizerOf(await reading) ?? "tokenizer.json");
    const readTemplate = async () => {
      const tokenizerConfig = await read("tokenizer_config.json", true);
      // Asked for only where it is needed: a browser's console notes every file that is not there.
      const hasTemplate = Boolean(parseObject(tokenizerConfig)?.chat_template);
      const chatTemplate = hasTemplate ? undefined : await read("chat_template.jinja", true);
      // While larger files come there is nothing else to do.
      return { tokenizerConfig, template: new ChatTemplate(tokenizerConfig, chatTemplate).prepare() };
    };
    const [config, index, tokenizer, { tokenizerConfig, template }, generationConfig] = await Promise.all([
      configuring,
      reading,
      readTokenizer(),
      readTemplate(),
      read("generation_config.json", true),
    ]);
    return { config, index, tokenizer, tokenizerConfig, template, generationConfig };
  }

  /** Where keys and values of what conversations begin with are kept; `undefined` while no weights were asked for. */
  async keeping(): Promise<Keeping | undefined> {
    return (await this.#stream)?.keeping;
  }

  /** Asks for the first weights. */
  async #begin(shards: Shard[]): Promise<Stream> {
    const { url, cache, evict, startAtPlanes = Infinity, signal } = this.#options;
    const keeping = await Keeping.open({ url, shards, evict }, await (this.#stores ?? openStores(url, cache)));
    const missing = shards.map(({ file, bytes }, position) => ({
      file: { name: file, length: bytes, validator: keeping.validator(position) },
      from: keeping.length(position),
    }));
    // The first shard is the base, and one level of planes is the least that answers.
    const feed = new Feed(this.#connection, missing, { awaited: Math.max(1, startAtPlanes), signal });
    feed.begin();
    return { shards, keeping, missing, feed };
  }

  /** Streams the weights. `onShard` is called after each. */
  async weights(engine: Engine, onShard: () => void): Promise<void> {
    const progress = this.#progress;
    progress.engine = () => engine.progress();
    progress.phase = "weights";
    const { shards, keeping, missing, feed } = await (this.#stream ??= this.#begin(engine.shards()));
    progress.stored = keeping.stored;
    const weights = new Weights(engine, shards, keeping, missing, feed, progress, this.#options.signal);
    // A download that stalls must be seen to stall: its speed falls although nothing comes.
    const heartbeat = setInterval(() => progress.update(), STALL_TICK_MS);
    try {
      for (const position of shards.keys()) {
        await weights.shard(position);
        progress.update(true);
        onShard();
      }
      progress.phase = "done";
      progress.file = undefined;
      progress.update();
      await keeping.complete();
    } finally {
      clearInterval(heartbeat);
      feed.close();
      await keeping.close();
    }
  }
}

/** The file that an index names as the tokenizer's compact form. */
function tokenizerOf(index: Bytes): string | undefined {
  const { tokenizer } = (parseObject(index)?.metadata ?? {}) as { tokenizer?: unknown };
  return typeof tokenizer === "string" && FILE_NAME.test(tokenizer) ? tokenizer : undefined;
}

/** The shards of an index; `undefined` where the engine will have something to say about it. */
function shardsOf(index: Bytes): Shard[] | undefined {
  const { shards } = (parseObject(index)?.metadata ?? {}) as { shards?: unknown };
  const isShard = (each: Partial<Shard> | null) =>
    typeof each?.file === "string" &&
    FILE_NAME.test(each.file) &&
    Number.isSafeInteger(each.bytes) &&
    /^[0-9a-f]{64}$/.test(each.sha256 ?? "");
  return Array.isArray(shards) && shards.length > 1 && shards.every(isShard) ? (shards as Shard[]) : undefined;
}
