/** What callers ask for, checked, and as it crosses to the worker. */
import { NomulError } from "./errors.js";
import {
  abortSignal,
  callback,
  check,
  either,
  flag,
  listOf,
  mustBe,
  number,
  object,
  oneOf,
  refuse,
  text,
  whole,
} from "./options.js";
import type { GenerateArguments } from "./protocol.js";
import { CALL_BEGINS, callSchema } from "./tools.js";
import type {
  ChatMessage,
  ChatOptions,
  CompleteOptions,
  GenerationOptions,
  ResponseFormat,
  Tool,
  ToolChoice,
} from "./types.js";

const GENERATION = {
  temperature: number,
  top_p: number,
  top_k: whole(0),
  min_p: number,
  seed: whole(0),
  repetition_penalty: number,
  presence_penalty: number,
  frequency_penalty: number,
  logit_bias: object,
  max_tokens: whole(0),
  stop: either(text, listOf(text, "a list of texts")),
  n: whole(1, 16),
  response_format: object,
  truncation: oneOf("disabled", "auto"),
  signal: abortSignal,
  onPrefill: callback,
  stream: flag,
};

const CHAT = {
  messages: listOf(object, "a list of messages"),
  ...GENERATION,
  max_completion_tokens: whole(0),
  logprobs: flag,
  top_logprobs: whole(0, 20),
  tools: listOf(object, "a list of tools"),
  tool_choice: either(oneOf("auto", "none", "required"), object),
};

const tokenIds = listOf(whole(0, 0xffffffff), "a list of token ids");

const COMPLETE = { prompt: either(text, tokenIds), ...GENERATION, logprobs: whole(0, 20) };

/** A request, ready to cross, but for the conversation that it belongs to. */
export interface Request {
  args: Omit<GenerateArguments, "conversation">;
  /** How many answers. */
  count: number;
  /** Whether the answer may have calls in it. */
  calls: boolean;
}

export function chatRequest(options: ChatOptions): Request {
  check("chat", options, CHAT);
  const { messages, tools, tool_choice, logprobs, top_logprobs, max_tokens, max_completion_tokens, ...rest } = options;
  if (messages === undefined || messages.length === 0) {
    throw new NomulError("input", "chat: there are no messages to answer");
  }
  messages.forEach(checkMessage);
  tools?.forEach(checkTool);
  refuse("chat", top_logprobs !== undefined && logprobs !== true, "top_logprobs asks for logprobs: true");
  refuse(
    "chat",
    max_tokens !== undefined && max_completion_tokens !== undefined && max_tokens !== max_completion_tokens,
    `max_tokens is ${max_tokens} and max_completion_tokens ${max_completion_tokens}: they mean the same`,
  );
  const asked = checkChoice(tool_choice, tools);
  const calls = Boolean(tools?.length) && tool_choice !== "none";
  const schema = schemaOf("chat", rest.response_format);
  refuse("chat", calls && schema !== undefined, "tools are not called in an answer of a response_format");
  return {
    args: {
      prompt: { messages, tools: calls ? tools : undefined },
      ...generation({ ...rest, max_tokens: max_tokens ?? max_completion_tokens }),
      logprobs: logprobs ? (top_logprobs ?? 0) : undefined,
      schema: asked === undefined ? schema : { text: json("tools", () => callSchema(asked)), of: "tools" },
      begun: asked === undefined ? undefined : CALL_BEGINS,
    },
    count: options.n ?? 1,
    calls,
  };
}

export function completeRequest(options: CompleteOptions): Request {
  check("complete", options, COMPLETE);
  const { prompt, logprobs, ...rest } = options;
  if (prompt === undefined) throw new NomulError("input", "complete: there is no prompt");
  return {
    args: {
      prompt: typeof prompt === "string" ? { text: prompt } : { ids: prompt },
      ...generation(rest),
      logprobs,
      schema: schemaOf("complete", rest.response_format),
      begun: undefined,
    },
    count: options.n ?? 1,
    calls: false,
  };
}

/** A request without a seed gets a random one here: the engine knows no chance. */
function generation(options: GenerationOptions & { stream?: boolean | undefined }) {
  const { stop, max_tokens, truncation, signal, onPrefill, stream, n, response_format, ...sampling } = options;
  void [signal, onPrefill, stream, n, response_format];
  for (const [id, bias] of Object.entries(sampling.logit_bias ?? {})) {
    mustBe(`logit_bias: the key ${id}`, Number(id), whole(0, 0xffffffff));
    mustBe(`logit_bias of token ${id}`, bias, number);
  }
  const [random] = crypto.getRandomValues(new Uint32Array(1));
  return {
    maxTokens: max_tokens,
    stop: stop === undefined ? [] : typeof stop === "string" ? [stop] : stop,
    truncate: truncation === "auto",
    sampling: { ...sampling, seed: sampling.seed ?? random },
  };
}

const content = either(text, listOf(object, "a list of text parts"));
const PART = { type: oneOf("text"), text };
const CALL = { id: text, type: oneOf("function"), function: object };
const MESSAGES: Record<string, Record<string, typeof text>> = {
  assistant: {
    role: text,
    content: either(content, oneOf(null)),
    tool_calls: listOf(object, "a list of calls"),
    name: text,
  },
  tool: { role: text, content, tool_call_id: text, name: text },
};

function checkMessage(message: ChatMessage, place: number): void {
  const what = `messages[${place}]`;
  const { role } = message;
  if (typeof role !== "string") throw new NomulError("input", `${what}: it has no role`);
  // What a role may be is the template's to say.
  check(what, message, MESSAGES[role] ?? { role: text, content, name: text });
  const calls = "tool_calls" in message ? message.tool_calls : undefined;
  if ((message.content ?? undefined) === undefined && !calls?.length)
    throw new NomulError("input", `${what}: it has no content`);
  if (Array.isArray(message.content)) {
    message.content.forEach((part, index) => {
      check(`${what}.content[${index}]`, part, PART);
      if (part.text === undefined) throw new NomulError("input", `${what}.content[${index}]: it has no text`);
    });
  }
  calls?.forEach((call, index) => {
    check(`${what}.tool_calls[${index}]`, call, CALL);
    check(`${what}.tool_calls[${index}].function`, call.function, { name: text, arguments: text });
  });
}

function checkTool(tool: Tool, place: number): void {
  check(`tools[${place}]`, tool, { type: oneOf("function"), function: object });
  const what = `tools[${place}].function`;
  check(what, tool.function, { name: text, description: text, parameters: object, strict: flag });
  if (tool.function?.name === undefined) throw new NomulError("input", `${what}: it has no name`);
}

/** The tools of which one has to be called; `undefined` where the model decides. */
function checkChoice(choice: ToolChoice | undefined, tools: Tool[] | undefined): Tool[] | undefined {
  if (choice === undefined || choice === "none") return undefined;
  refuse("chat", !tools?.length, `tool_choice: ${JSON.stringify(choice)} asks for tools`);
  if (choice === "auto" || tools === undefined) return undefined;
  if (choice === "required") return tools;
  check("tool_choice", choice, { type: oneOf("function"), function: object });
  check("tool_choice.function", choice.function, { name: text });
  const name = choice.function?.name;
  const named = tools.filter((tool) => tool.function.name === name);
  if (name === undefined) throw new NomulError("input", "tool_choice.function: it has no name");
  if (named.length === 0) {
    const names = tools.map((tool) => tool.function.name).join(", ");
    throw new NomulError("input", `tool_choice: no tool is named ${name}; there are: ${names}`);
  }
  return named.slice(0, 1);
}

/** The JSON schema that a format asks for, as text. */
function schemaOf(what: string, format: ResponseFormat | undefined): GenerateArguments["schema"] {
  const of = "response_format";
  if (format === undefined || format.type === "text") return undefined;
  if (format.type === "json_object") return { text: '{"type":"object"}', of };
  mustBe(`${what}: response_format.type`, format.type, oneOf("text", "json_object", "json_schema"));
  const described = format.json_schema as Partial<typeof format.json_schema> | undefined;
  check(`${what}: response_format.json_schema`, described, {
    schema: either(object, flag),
    name: text,
    strict: flag,
    description: text,
  });
  if (described?.schema === undefined) {
    throw new NomulError("input", `${what}: response_format.json_schema has no schema`);
  }
  return { text: json(`${what}: response_format.json_schema.schema`, () => described.schema), of };
}

/** What cannot be written as JSON (a circle, a bigint) is the caller's mistake. */
function json(what: string, value: () => unknown): string {
  try {
    return JSON.stringify(value());
  } catch (cause) {
    throw new NomulError("input", `${what}: it is no JSON`, { cause });
  }
}
