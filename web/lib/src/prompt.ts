/** From what a caller says to the tokens that the model reads. */
import type { Engine } from "./engine.js";
import { NomulError } from "./errors.js";
import type { GenerateArguments } from "./protocol.js";
import type { ChatTemplate } from "./template.js";
import type { ChatMessage } from "./types.js";

export interface Prompt {
  ids: Uint32Array;
  /** How many messages, or tokens of a text, were left out. */
  truncated: number;
}

/** The tokens of a prompt, cut to leave room for the answer where that was asked for. */
export function promptIds(engine: Engine, template: ChatTemplate, request: GenerateArguments): Prompt {
  const { prompt, maxTokens, truncate } = request;
  const context = engine.contextLength;
  // Any answer begins after its prompt; half of the context is enough for one of unknown length.
  const most = truncate ? context - Math.min(maxTokens ?? Infinity, context >> 1) : Infinity;
  if (!("messages" in prompt)) {
    const ids = "ids" in prompt ? tokenIds(prompt.ids) : engine.tokenize(prompt.text, true);
    return ids.length > most ? { ids: ids.slice(-most), truncated: ids.length - most } : { ids, truncated: 0 };
  }
  const now = new Date();
  const read = (messages: ChatMessage[]) =>
    engine.tokenize(template.render(messages, prompt.tools, now) + (request.begun ?? ""), false);
  let messages = prompt.messages;
  let ids = read(messages);
  while (ids.length > most) {
    const fewer = withoutOldest(messages);
    if (fewer.length === messages.length) {
      const room = `${most} of ${context}`;
      throw new NomulError("capacity", `the last message has ${ids.length} tokens, there is room for ${room}`);
    }
    messages = fewer;
    ids = read(messages);
  }
  return { ids, truncated: prompt.messages.length - messages.length };
}

/** Without what was said first and what answered it: up to the next message of the user, which templates expect to begin. */
function withoutOldest(messages: ChatMessage[]): ChatMessage[] {
  const first = messages.findIndex(({ role }) => role !== "system");
  const next = messages.findIndex(({ role }, place) => place > first && role === "user");
  return first < 0 || next < 0 ? messages : [...messages.slice(0, first), ...messages.slice(next)];
}

/** Token ids as the engine takes them; a typed array would silently bend what is none. */
export function tokenIds(ids: number[]): Uint32Array {
  const place = ids.findIndex((id) => !Number.isInteger(id) || id < 0 || id > 0xffffffff);
  if (place >= 0) throw new NomulError("input", `token ${ids[place]} at ${place} is not a token id`);
  return Uint32Array.from(ids);
}
