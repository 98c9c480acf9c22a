/** Calls in an answer, as models of the Hermes kind write them: SmolLM2, Qwen and others. */
import type { Tool, ToolCall } from "./types.js";

const START = "<tool_call>";
const END = "</tool_call>";

/** What an answer that is a call begins with, as these models were taught. */
export const CALL_BEGINS = `${START}\n`;

/** The JSON schema of a call of one of these tools. */
export function callSchema(tools: Tool[]): object {
  const one = ({ function: { name, parameters } }: Tool, path: string) => ({
    type: "object",
    properties: {
      name: { const: name },
      arguments: parameters === undefined ? { type: "object" } : moved(parameters, `${path}/properties/arguments`),
    },
    required: ["name", "arguments"],
    additionalProperties: false,
  });
  const [first, ...others] = tools;
  if (first !== undefined && others.length === 0) return one(first, "#");
  return { anyOf: tools.map((tool, place) => one(tool, `#/anyOf/${place}`)) };
}

/** A schema that has become part of another, at `path`: what it says about places in itself, it says about itself there. */
function moved(schema: object, path: string): unknown {
  return JSON.parse(JSON.stringify(schema), (key, value: unknown) =>
    key === "$ref" && typeof value === "string" && value.startsWith("#") ? path + value.slice(1) : value,
  );
}

/** Parts what a model says into text and calls, while it comes. */
export class CallReader {
  readonly calls: ToolCall[] = [];
  /** What may still become a call. */
  #held = "";

  /** Takes more of the answer; gives the text that is certainly none of a call. `isLast` gives all that is left. */
  push(text: string, isLast = false): string {
    this.#held += text;
    let said = "";
    for (;;) {
      const start = this.#held.indexOf(START);
      if (start < 0) break;
      const end = this.#held.indexOf(END, start);
      if (end < 0 && !isLast) {
        said += this.#held.slice(0, start);
        this.#held = this.#held.slice(start);
        return said;
      }
      const call = callOf(this.#held.slice(start + START.length, end < 0 ? undefined : end));
      const behind = end < 0 ? this.#held.length : end + END.length;
      // What is no call was said.
      said += call === undefined ? this.#held.slice(0, behind) : this.#held.slice(0, start);
      if (call !== undefined) this.calls.push(call);
      this.#held = this.#held.slice(behind);
    }
    const kept = isLast ? 0 : beginning(this.#held);
    said += this.#held.slice(0, this.#held.length - kept);
    this.#held = this.#held.slice(this.#held.length - kept);
    return said;
  }
}

/** How many characters at the end of a text may begin a call. */
function beginning(text: string): number {
  for (let length = Math.min(START.length - 1, text.length); length > 0; length--) {
    if (text.endsWith(START.slice(0, length))) return length;
  }
  return 0;
}

function callOf(json: string): ToolCall | undefined {
  let call: { name?: unknown; arguments?: unknown; parameters?: unknown } | null;
  try {
    call = JSON.parse(json) as typeof call;
  } catch {
    return undefined;
  }
  if (typeof call?.name !== "string") return undefined;
  const given = call.arguments ?? call.parameters ?? {};
  const id = `call_${crypto.getRandomValues(new Uint32Array(2)).join("")}`;
  const text = typeof given === "string" ? given : JSON.stringify(given);
  return { id, type: "function", function: { name: call.name, arguments: text } };
}
