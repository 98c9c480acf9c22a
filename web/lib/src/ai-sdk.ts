/** A nomul model as a language model of the AI SDK: `generateText({ model: aiSdkModel(model), prompt })`. */
import type {
  LanguageModelV3,
  LanguageModelV3CallOptions,
  LanguageModelV3Content,
  LanguageModelV3FinishReason,
  LanguageModelV3Message,
  LanguageModelV3StreamPart,
  LanguageModelV3Usage,
  SharedV3Warning,
} from "@ai-sdk/provider";
import { NomulError } from "./errors.js";
import type { ChatCompletionChunk, FinishReason, Usage } from "./reply-types.js";
import type { ChatMessage, ChatOptions, ResponseFormat, Tool, ToolCall, ToolChoice } from "./types.js";

/** What the adapter needs of a model: a model, or one of its conversations. */
export interface Chatting {
  chat(options: ChatOptions & { stream: true }): AsyncIterable<ChatCompletionChunk>;
}

/** `modelId` is what the SDK calls the model in what it tells. */
export function aiSdkModel(model: Chatting, { modelId = "nomul" }: { modelId?: string } = {}): LanguageModelV3 {
  return {
    specificationVersion: "v3",
    provider: "nomul",
    modelId,
    supportedUrls: {},

    async doGenerate(options) {
      const { request, warnings } = translate(options);
      let text = "";
      let end: Ending | undefined;
      const calls: ToolCall[] = [];
      for await (const chunk of model.chat(request)) {
        const [{ delta }] = chunk.choices;
        text += delta.content ?? "";
        calls.push(...(delta.tool_calls ?? []));
        end = endingOf(chunk) ?? end;
      }
      const content: LanguageModelV3Content[] = text === "" ? [] : [{ type: "text", text }];
      return { content: [...content, ...calls.map(asCall)], ...whole(end), warnings };
    },

    async doStream(options) {
      const { request, warnings } = translate(options);
      const chunks = model.chat(request)[Symbol.asyncIterator]();
      const parts = stream(chunks, warnings);
      return {
        stream: new ReadableStream<LanguageModelV3StreamPart>({
          async pull(controller) {
            const { done, value } = await parts.next();
            if (done) controller.close();
            else controller.enqueue(value);
          },
          // Ends the generation too.
          cancel: async () => void (await chunks.return?.()),
        }),
      };
    },
  };
}

interface Ending {
  reason: FinishReason;
  usage: Usage;
}

function endingOf({ choices: [{ finish_reason }], usage }: ChatCompletionChunk): Ending | undefined {
  return finish_reason === null || usage === undefined ? undefined : { reason: finish_reason, usage };
}

async function* stream(
  chunks: AsyncIterator<ChatCompletionChunk>,
  warnings: SharedV3Warning[],
): AsyncGenerator<LanguageModelV3StreamPart, void, void> {
  const id = "0";
  let hasText = false;
  let end: Ending | undefined;
  yield { type: "stream-start", warnings };
  try {
    for (;;) {
      const { done, value } = await chunks.next();
      if (done) break;
      const [{ delta }] = value.choices;
      if (delta.content) {
        if (!hasText) yield { type: "text-start", id };
        hasText = true;
        yield { type: "text-delta", id, delta: delta.content };
      }
      for (const call of delta.tool_calls ?? []) {
        const { toolName, input } = asCall(call);
        yield { type: "tool-input-start", id: call.id, toolName };
        yield { type: "tool-input-delta", id: call.id, delta: input };
        yield { type: "tool-input-end", id: call.id };
        yield asCall(call);
      }
      end = endingOf(value) ?? end;
    }
    if (hasText) yield { type: "text-end", id };
    yield { type: "finish", ...whole(end) };
  } catch (error) {
    yield { type: "error", error };
  }
}

function asCall({ id, function: { name, arguments: input } }: ToolCall) {
  return { type: "tool-call" as const, toolCallId: id, toolName: name, input };
}

const REASONS: Record<FinishReason, LanguageModelV3FinishReason["unified"]> = {
  stop: "stop",
  length: "length",
  tool_calls: "tool-calls",
};

function whole(end: Ending | undefined): { usage: LanguageModelV3Usage; finishReason: LanguageModelV3FinishReason } {
  if (end === undefined) throw new NomulError("internal", "the answer has no end");
  const { prompt_tokens: total, completion_tokens, prompt_tokens_details } = end.usage;
  const { cached_tokens } = prompt_tokens_details;
  return {
    finishReason: { unified: REASONS[end.reason], raw: end.reason },
    usage: {
      inputTokens: { total, noCache: total - cached_tokens, cacheRead: cached_tokens, cacheWrite: undefined },
      outputTokens: { total: completion_tokens, text: completion_tokens, reasoning: undefined },
    },
  };
}

/** The SDK's request as one of ours. What cannot be done is warned of, or refused where the answer would be another. */
function translate(options: LanguageModelV3CallOptions): {
  request: ChatOptions & { stream: true };
  warnings: SharedV3Warning[];
} {
  const { toolChoice, responseFormat } = options;
  const warnings: SharedV3Warning[] = [];
  const tools = options.tools?.flatMap((tool): Tool[] => {
    if (tool.type === "function") {
      const { name, description, inputSchema } = tool;
      return [{ type: "function", function: { name, description, parameters: inputSchema } }];
    }
    warnings.push({ type: "unsupported", feature: `provider-defined tool ${tool.id}` });
    return [];
  });
  const format: ResponseFormat | undefined =
    responseFormat?.type !== "json"
      ? undefined
      : responseFormat.schema
        ? { type: "json_schema", json_schema: { schema: responseFormat.schema } }
        : { type: "json_object" };
  return {
    request: {
      stream: true,
      messages: options.prompt.flatMap(translateMessage),
      max_tokens: options.maxOutputTokens,
      temperature: options.temperature,
      top_p: options.topP,
      top_k: options.topK,
      presence_penalty: options.presencePenalty,
      frequency_penalty: options.frequencyPenalty,
      stop: options.stopSequences,
      seed: options.seed,
      signal: options.abortSignal,
      response_format: format,
      ...(tools?.length && { tools, tool_choice: choice(toolChoice) }),
    },
    warnings,
  };
}

function choice(choice: LanguageModelV3CallOptions["toolChoice"]): ToolChoice {
  return choice?.type === "tool" ? { type: "function", function: { name: choice.toolName } } : (choice?.type ?? "auto");
}

function translateMessage(message: LanguageModelV3Message): ChatMessage[] {
  switch (message.role) {
    case "system":
      return [{ role: "system", content: message.content }];
    case "user":
      return [{ role: "user", content: message.content.map(textOf).join("") }];
    case "assistant": {
      const said = message.content.flatMap((part) => (part.type === "text" ? part.text : [])).join("");
      const tool_calls = message.content.flatMap((part): ToolCall[] => {
        if (part.type !== "tool-call") return [];
        const called = { name: part.toolName, arguments: JSON.stringify(part.input) };
        return [{ id: part.toolCallId, type: "function", function: called }];
      });
      return [{ role: "assistant", content: said, ...(tool_calls.length > 0 && { tool_calls }) }];
    }
    case "tool":
      return message.content.flatMap((part): ChatMessage[] => {
        if (part.type !== "tool-result") return [];
        const { toolCallId, toolName, output } = part;
        const content = "value" in output ? output.value : (output.reason ?? "denied");
        const text = typeof content === "string" ? content : JSON.stringify(content);
        return [{ role: "tool", content: text, tool_call_id: toolCallId, name: toolName }];
      });
  }
}

function textOf(part: Extract<LanguageModelV3Message, { role: "user" }>["content"][number]): string {
  if (part.type === "text") return part.text;
  throw new NomulError("unsupported", `a file of type ${part.mediaType}: the model reads text`);
}
