/** Reads single lines of a large file, which stays where it is. */

/** What is read at once. */
const PART = 1 << 22;
const LINE_END = 10;

/** The lines of a file: where each begins, and the text of any of them. */
export interface Lines {
  /** The text of a line, counted from 1. */
  line(number: number): Promise<string>;
}

/** Looks through a file once. */
export async function linesOf(file: Blob, signal: AbortSignal): Promise<Lines> {
  const ends: number[] = [];
  for (let at = 0; at < file.size; at += PART) {
    const bytes = new Uint8Array(await file.slice(at, at + PART).arrayBuffer());
    signal.throwIfAborted();
    for (let i = bytes.indexOf(LINE_END); i >= 0; i = bytes.indexOf(LINE_END, i + 1)) ends.push(at + i);
  }
  return {
    line: (number) => file.slice(number > 1 ? ends[number - 2]! + 1 : 0, ends[number - 1] ?? file.size).text(),
  };
}
