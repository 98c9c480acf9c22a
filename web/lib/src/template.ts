/**
 * Chat templates: from messages to the text that a model was trained to answer. They are Jinja programs that come with the
 * model; @huggingface/jinja runs them, an interpreter that makes no code. They can do nothing but make text, and not for ever.
 */
import * as jinja from "@huggingface/jinja";
import { NomulError } from "./errors.js";
import { parseObject } from "./json.js";
import type { ChatMessage, Tool } from "./types.js";

/** Steps of the interpreter that rendering may take. Published templates take some hundreds for each message. */
const FUEL = 2_000_000;
/** Characters that it may make. */
const LONGEST = 16_000_000;

type Program = ReturnType<typeof parse>;
interface Scope {
  set(name: string, value: unknown): unknown;
}
interface Runner {
  evaluate(statement: unknown, scope: Scope): { value: unknown };
  run(program: Program): { value: unknown };
}

// The types that the library brings along cannot be resolved from a module.
const Environment = jinja.Environment as unknown as new () => Scope;
const Interpreter = jinja.Interpreter as unknown as new (scope: Scope) => Runner;
const parse = jinja.parse as unknown as (tokens: unknown) => { type: "Program" };
const tokenize = jinja.tokenize as unknown as (source: string, options: object) => unknown;

/** Interprets with a limit. */
class Limited extends Interpreter {
  #fuel = FUEL;

  override evaluate(statement: unknown, environment: Scope) {
    if (this.#fuel-- === 0) throw new Error("it takes more steps than a chat template may");
    const value = super.evaluate(statement, environment);
    if (typeof value.value === "string" && value.value.length > LONGEST) {
      throw new Error("it makes more text than a chat template may");
    }
    return value;
  }
}

export class ChatTemplate {
  readonly #sources: Map<string, string>;
  readonly #special: Record<string, string>;
  readonly #programs = new Map<string, Program>();

  /** `config` is tokenizer_config.json, `file` is chat_template.jinja, which comes first. */
  constructor(config: Uint8Array | undefined, file: Uint8Array | undefined) {
    const json = parseObject(config) ?? {};
    this.#sources = sourcesOf(json.chat_template, file);
    this.#special = Object.fromEntries(
      ["bos_token", "eos_token", "unk_token", "pad_token"].flatMap((name) => {
        const token = json[name];
        const text = typeof token === "string" ? token : (token as { content?: unknown } | null | undefined)?.content;
        return typeof text === "string" ? [[name, text]] : [];
      }),
    );
  }

  /** Reads the usual template now rather than when somebody waits for an answer. What is wrong with it is told then. */
  prepare(): this {
    try {
      if (this.#sources.has("default")) this.#program("default");
    } catch {
      // It is read again when it is needed.
    }
    return this;
  }

  /**
   * The text of a conversation, up to where the answer begins. `now` is for templates that ask for the time; without it they
   * take the date that they bring along.
   */
  render(messages: ChatMessage[], tools: Tool[] | undefined, now: Date | undefined): string {
    const name = tools !== undefined && this.#sources.has("tool_use") ? "tool_use" : "default";
    const program = this.#program(name);
    const environment = new Environment();
    const globals = {
      true: true,
      false: false,
      none: null,
      True: true,
      False: false,
      None: null,
      range,
      raise_exception: (line: unknown) => {
        throw new Error(String(line));
      },
      ...(now && { strftime_now: (format: string) => formatTime(now, format) }),
      ...this.#special,
      messages: messages.map(asTemplatesExpect),
      tools: tools === undefined ? null : plain(tools),
      documents: null,
      add_generation_prompt: true,
    };
    try {
      for (const [key, value] of Object.entries(globals)) environment.set(key, value);
      return String(new Limited(environment).run(program).value);
    } catch (cause) {
      throw new NomulError("input", `chat template: ${lineOf(cause)}`, { cause });
    }
  }

  #program(name: string): Program {
    const source = this.#sources.get(name);
    if (source === undefined) {
      const named = [...this.#sources.keys()];
      throw named.length > 0
        ? new NomulError("missing", `tokenizer_config.json: no chat_template is named ${name}; there are: ${named}`)
        : new NomulError(
            "unsupported",
            "the model has no chat template: neither chat_template.jinja nor chat_template in tokenizer_config.json",
          );
    }
    let program = this.#programs.get(name);
    if (program === undefined) {
      try {
        program = parse(tokenize(source, { lstrip_blocks: true, trim_blocks: true }));
      } catch (cause) {
        throw new NomulError("format", `chat template: ${lineOf(cause)}`, { cause });
      }
      this.#programs.set(name, program);
    }
    return program;
  }
}

/** Templates by name; the one without a name is `default`. */
function sourcesOf(field: unknown, file: Uint8Array | undefined): Map<string, string> {
  if (file !== undefined) return new Map([["default", new TextDecoder().decode(file)]]);
  if (typeof field === "string") return new Map([["default", field]]);
  const named = (Array.isArray(field) ? field : []) as Partial<{ name: unknown; template: unknown }>[];
  return new Map(named.map(({ name, template }) => [String(name), String(template)]));
}

/** Templates write the arguments of a call as JSON, so they take them as an object; and contents as one text. */
function asTemplatesExpect(message: ChatMessage): object {
  const { content, ...rest } = message;
  const text = Array.isArray(content) ? content.map(({ text }) => text).join("") : (content ?? "");
  if (!("tool_calls" in rest) || rest.tool_calls === undefined) return { ...rest, content: text };
  const tool_calls = rest.tool_calls.map(({ function: called, ...call }) => ({
    ...call,
    function: { ...called, arguments: argumentsOf(called.arguments) },
  }));
  return { ...rest, content: text, tool_calls };
}

function argumentsOf(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return json;
  }
}

/** Jinja's `range`, of numbers that fit into memory. */
function range(start: number, stop?: number, step = 1): number[] {
  const [from, to] = stop === undefined ? [0, start] : [start, stop];
  const count = Math.ceil((to - from) / step);
  if (step === 0 || !(count < FUEL)) throw new Error(`range(${from}, ${to}, ${step}) is too long`);
  return Array.from({ length: Math.max(0, count) }, (_, index) => from + index * step);
}

const MONTHS = "January February March April May June July August September October November December".split(" ");
const DAYS = "Sunday Monday Tuesday Wednesday Thursday Friday Saturday".split(" ");

/** `strftime`, as far as templates use it: in English, whatever the reader speaks, like Python without a locale. */
function formatTime(time: Date, format: string): string {
  const two = (value: number) => String(value).padStart(2, "0");
  const [month, day] = [MONTHS[time.getMonth()]!, DAYS[time.getDay()]!];
  const parts: Record<string, string> = {
    Y: String(time.getFullYear()),
    m: two(time.getMonth() + 1),
    d: two(time.getDate()),
    B: month,
    b: month.slice(0, 3),
    A: day,
    a: day.slice(0, 3),
    H: two(time.getHours()),
    I: two(time.getHours() % 12 || 12),
    p: time.getHours() < 12 ? "AM" : "PM",
    M: two(time.getMinutes()),
    S: two(time.getSeconds()),
    y: two(time.getFullYear() % 100),
    "%": "%",
  };
  return format.replace(/%(-?)(.)/gs, (all, bare: string, letter: string) => {
    const part = parts[letter];
    if (part === undefined) throw new Error(`strftime_now knows not all of "${format}"`);
    return bare ? part.replace(/^0(?=\d)/, "") : part;
  });
}

/** Without fields that are undefined, which JSON has no word for. */
const plain = (tools: Tool[]) => JSON.parse(JSON.stringify(tools)) as unknown;

const lineOf = (cause: unknown) => (cause instanceof Error ? cause.message : String(cause)).replaceAll("\n", " ");
