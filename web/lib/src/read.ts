/** Reads a file, or a part of one, over as many connections as it takes. */
import { NomulError, PassingError } from "./errors.js";
import { Attempts, type Patience } from "./retry.js";
import type { Bytes, Opened, Parts, Source } from "./source.js";

/** What all reading of one download shares. */
export interface Connection {
  source: Source;
  patience: Patience;
}

/** A file, as far as it is known; requests for parts of it share this. */
export interface FileState {
  name: string;
  length: number | undefined;
  /** What the version is called whose bytes have come. */
  validator: string | undefined;
}

/** Bytes `from..to` of a file, up to its end without `to`. */
export interface Span {
  from: number;
  to: number | undefined;
  /** No range is asked for where none is needed. */
  whole: boolean;
}

export interface ReadOptions {
  signal: AbortSignal;
  /** The file need not be there; called if it is not. */
  onAbsent?: () => void;
  /** Anew: past caches, and whatever the version is called. The checksum decides. */
  fresh?: boolean;
  /** Called with each answer before its bytes; may move the end of the span. */
  onAnswer?: (partial: boolean) => void;
}

/** Thrown when a part of a file is of another version than what came before. */
export class Changed extends NomulError {
  constructor(name: string) {
    super("network", `${name}: the file changed while it was read`);
  }
}

/** The bytes of a span, in order. A connection that breaks is taken up where it broke. */
export async function* readSpan(connection: Connection, file: FileState, span: Span, options: ReadOptions): Parts {
  const { signal, onAbsent } = options;
  const attempts = new Attempts(connection.patience);
  let at = span.from;
  for (;;) {
    try {
      const opened = await ask(connection.source, file, span, at, options);
      if (opened === undefined) return onAbsent?.();
      // A source without ranges sends what is here already once more.
      let skip = opened.partial ? 0 : at;
      for await (const part of opened.parts) {
        connection.patience.received += part.length;
        const skipped = Math.min(skip, part.length);
        skip -= skipped;
        if (skipped === part.length) continue;
        at += part.length - skipped;
        checkNotOver(file, span, at);
        yield part.subarray(skipped);
      }
      if (span.to === undefined || at === span.to) return;
      throw new NomulError("format", `${file.name}: ended after ${at} of ${file.length} bytes`);
    } catch (error) {
      // All has come; how the connection ended is of no interest.
      if (at === span.to && error instanceof PassingError) return;
      await attempts.again(error, signal);
    }
  }
}

async function ask(source: Source, file: FileState, span: Span, at: number, options: ReadOptions) {
  const { signal, onAbsent, fresh = false, onAnswer } = options;
  const { length, validator } = file;
  const range = at === 0 && span.whole ? undefined : { from: at, to: span.to };
  const want = {
    optional: onAbsent !== undefined,
    length,
    fresh,
    ...(range && { range, validator: fresh ? undefined : validator }),
  };
  const opened = await source.open(file.name, want, signal);
  if (opened === undefined) return undefined;
  try {
    signal.throwIfAborted();
    if (!fresh) checkVersion(file, opened, at);
    onAnswer?.(opened.partial);
    signal.throwIfAborted();
  } catch (error) {
    opened.close();
    throw error;
  }
  return opened;
}

/** A whole file in answer to a request for the rest of one version is another version, unless it says otherwise. */
function checkVersion(file: FileState, { partial, validator }: Opened, at: number): void {
  const known = file.validator;
  const same = validator === known || (partial && validator === undefined);
  if (known !== undefined && !same && (partial || at > 0)) throw new Changed(file.name);
  file.validator ??= validator;
}

function checkNotOver({ name, length }: FileState, { from, to }: Span, at: number): void {
  if (to === undefined || at <= to) return;
  const most = to === length ? `the ${length} bytes that the index promises` : `the bytes ${from}-${to - 1} asked for`;
  throw new NomulError("format", `${name}: more than ${most}`);
}

/** The whole of a small file; `undefined` where an optional one is not there. */
export async function readFile(
  connection: Connection,
  name: string,
  optional: boolean,
  signal: AbortSignal,
  onBytes: (count: number) => void,
): Promise<Bytes | undefined> {
  let absent = false;
  const onAbsent = () => {
    absent = true;
  };
  const file = { name, length: undefined, validator: undefined };
  const span = { from: 0, to: undefined, whole: true };
  const all: Bytes[] = [];
  let length = 0;
  for await (const part of readSpan(connection, file, span, { signal, ...(optional && { onAbsent }) })) {
    all.push(part);
    length += part.length;
    onBytes(part.length);
  }
  if (absent) return undefined;
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of all) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
