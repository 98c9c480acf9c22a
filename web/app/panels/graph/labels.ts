/** Labels of nodes, from a file. */

/** What nodes are called by, and the label of each key. */
export interface Labels {
  name: string;
  of: ReadonlyMap<string, string>;
}

/**
 * Reads a line for each node: its key, a tab or else a comma, its label. Empty lines and those that begin with # are passed
 * over. What is wrong is told with the file and the line.
 */
export async function readLabels(name: string, file: Blob): Promise<Labels> {
  const of = new Map<string, string>();
  const lineOf = new Map<string, number>();
  let number = 0;
  const take = (line: string) => {
    number++;
    const text = line.trim();
    if (text === "" || text.startsWith("#")) return;
    const at = text.includes("\t") ? text.indexOf("\t") : text.indexOf(",");
    const [key, label] = [text.slice(0, Math.max(0, at)).trim(), text.slice(at + 1).trim()];
    if (key === "" || label === "") {
      throw new Error(`${name}, line ${number}: not a key, a tab or comma, and a label`);
    }
    const before = of.get(key);
    if (before !== undefined && before !== label) {
      throw new Error(`${name}, line ${number}: ${key} has another label in line ${lineOf.get(key)}`);
    }
    of.set(key, label);
    lineOf.set(key, number);
  };
  // In parts, so that a large file does not hold up the page.
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const reader = file.stream().getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    try {
      rest += done ? decoder.decode() : decoder.decode(value, { stream: true });
    } catch {
      throw new Error(`${name}, line ${number + 1} or later: not a text in UTF-8`);
    }
    const lines = rest.split("\n");
    rest = done ? "" : (lines.pop() ?? "");
    lines.forEach(take);
    if (done) break;
  }
  if (of.size === 0) throw new Error(`${name}: no labels in it`);
  return { name, of };
}
