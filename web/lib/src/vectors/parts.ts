/** Bytes on their way to a worker. */

/** How many cross at once. */
export const PART = 1 << 20;

/** Bytes from wherever they come, in parts that may be handed over. */
export async function* parts(
  bytes: Uint8Array<ArrayBuffer> | Blob | AsyncIterable<Uint8Array<ArrayBuffer>>,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  if (bytes instanceof Uint8Array) {
    for (let at = 0; at < bytes.length; at += PART) yield bytes.slice(at, at + PART);
  } else if (bytes instanceof Blob) {
    for (let at = 0; at < bytes.size; at += PART) {
      yield new Uint8Array(await bytes.slice(at, at + PART).arrayBuffer());
    }
  } else {
    for await (const part of bytes) yield part.slice();
  }
}

const LINE_END = 10;

/** The same, cut behind line ends, each part with the number of its first line, counted from 1. */
export async function* partsOfLines(
  bytes: Parameters<typeof parts>[0],
): AsyncGenerator<{ part: Uint8Array<ArrayBuffer>; line: number }> {
  let line = 1;
  let begun: Uint8Array<ArrayBuffer>[] = [];
  for await (const part of parts(bytes)) {
    const end = part.lastIndexOf(LINE_END) + 1;
    if (end === 0) {
      begun.push(part);
      continue;
    }
    const whole = joined([...begun, part.subarray(0, end)]);
    begun = end < part.length ? [part.slice(end)] : [];
    // Counted before it is handed over.
    let next = line;
    for (let at = whole.indexOf(LINE_END); at >= 0; at = whole.indexOf(LINE_END, at + 1)) next++;
    yield { part: whole, line };
    line = next;
  }
  if (begun.length > 0) yield { part: joined(begun), line };
}

function joined(all: readonly Uint8Array<ArrayBuffer>[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(all.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of all) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
