/**
 * Reads parts of tensors out of a model folder: what a picture needs is far less than the file that it lies in. The format
 * is that of safetensors: eight bytes with the length of a header, the header in JSON, then the tensors.
 */

/** Where a tensor lies in its file. */
interface Place {
  file: string;
  shape: number[];
  from: number;
  to: number;
}

/** The part of `fetch` that this uses. */
export type FetchPart = (
  url: string,
  init: { headers: Record<string, string>; signal?: AbortSignal },
) => Promise<Response>;

interface Index {
  weight_map: Record<string, string>;
  metadata: { shards: { file: string }[] };
}

interface Header {
  start: number;
  tensors: Record<string, { shape: number[]; data_offsets: [number, number] }>;
}

export class Tensors {
  readonly #folder: string;
  readonly #fetch: FetchPart;
  readonly #headers = new Map<string, Promise<Header>>();
  #index: Promise<Index> | undefined;

  /** `folder` is an address that ends in a slash. */
  constructor(folder: string, fetch: FetchPart) {
    this.#folder = folder;
    this.#fetch = fetch;
  }

  // Headers and the index are shared: whoever gives up does not take them away from others.

  /** Bytes `from..to` of a tensor; all of it where they are left out. Fails where the folder has no such tensor. */
  async read(
    name: string,
    signal: AbortSignal,
    from = 0,
    to = Infinity,
  ): Promise<{ shape: number[]; bytes: Uint8Array }> {
    const place = await this.#place(name);
    signal.throwIfAborted();
    const end = Math.min(place.from + to, place.to);
    return { shape: place.shape, bytes: await this.#part(place.file, place.from + from, end, signal) };
  }

  /** For each tensor, the position of its file in the order of streaming: 0 is the base, 1 the first level. */
  async positions(): Promise<(name: string) => number | undefined> {
    const { weight_map, metadata } = await this.#asked();
    const order = new Map(metadata.shards.map(({ file }, position) => [file, position]));
    return (name) => order.get(weight_map[name] ?? "");
  }

  #asked(): Promise<Index> {
    return (this.#index ??= kept(this.#readIndex(), () => (this.#index = undefined)));
  }

  async #place(name: string): Promise<Place> {
    const file = (await this.#asked()).weight_map[name];
    if (file === undefined) throw new Error(`the model's index names no ${name}`);
    let header = this.#headers.get(file);
    if (header === undefined) {
      header = kept(this.#header(file), () => this.#headers.delete(file));
      this.#headers.set(file, header);
    }
    const { start, tensors } = await header;
    const tensor = tensors[name];
    if (tensor === undefined) throw new Error(`${file} has no ${name}`);
    const [from, to] = tensor.data_offsets;
    return { file, shape: tensor.shape, from: start + from, to: start + to };
  }

  async #readIndex(): Promise<Index> {
    const response = await this.#fetch(`${this.#folder}model.safetensors.index.json`, { headers: {} });
    if (!response.ok) throw new Error(`the model's index: HTTP ${response.status}`);
    return (await response.json()) as Index;
  }

  async #header(file: string): Promise<Header> {
    const length = new DataView((await this.#part(file, 0, 8)).buffer).getUint32(0, true);
    const text = new TextDecoder().decode(await this.#part(file, 8, 8 + length));
    return { start: 8 + length, tensors: JSON.parse(text) as Header["tensors"] };
  }

  async #part(file: string, from: number, to: number, signal?: AbortSignal): Promise<Uint8Array> {
    const headers = { range: `bytes=${from}-${to - 1}` };
    const response = await this.#fetch(`${this.#folder}${file}`, { headers, ...(signal && { signal }) });
    if (response.status !== 206) {
      await response.body?.cancel();
      throw new Error(`${file}: this host sends no parts of files (HTTP ${response.status})`);
    }
    const bytes = new Uint8Array(await response.arrayBuffer());
    if (bytes.length !== to - from) throw new Error(`${file}: ${bytes.length} bytes came, not ${to - from}`);
    return bytes;
  }
}

/** What failed is asked for anew the next time. */
function kept<T>(promise: Promise<T>, forget: () => void): Promise<T> {
  promise.catch(forget);
  return promise;
}
