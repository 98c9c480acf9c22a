"""Chat templates of the kinds that models bring along, and what transformers makes of some conversations.

    python make_templates.py

Writes templates.json: templates, and conversations with the text (or the error) that apply_chat_template gives.
SmolLM2's template is the one of the model (Apache-2.0); the others are written here with what the published ones use:
macros, namespaces, loop variables, Python's methods of texts, tojson, raise_exception, strftime_now, white-space control.
Written with transformers 5.23.0, jinja2 3.1.6.
"""

import json
import pathlib

from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

HERE = pathlib.Path(__file__).parent

SMOLLM2 = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\n"
    "You are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n' }}{% endif %}"
    "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)

LLAMA3 = """\
{{- bos_token }}
{%- if custom_tools is defined %}
    {%- set tools = custom_tools %}
{%- endif %}
{%- if not date is defined %}
    {%- if strftime_now is defined %}
        {%- set date = strftime_now("%d %b %Y") %}
    {%- else %}
        {%- set date = "26 Jul 2024" %}
    {%- endif %}
{%- endif %}
{#- The first message may tell the model how to behave. #}
{%- if messages[0]['role'] == 'system' %}
    {%- set system = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}
{%- if tools is not none %}
    {{- "Tools: ipython\\n" }}
{%- endif %}
{{- "Today: " + date + "\\n\\n" }}
{%- if tools is not none %}
    {%- for t in tools %}
        {{- t | tojson(indent=4) }}
        {{- "\\n\\n" }}
    {%- endfor %}
{%- endif %}
{{- system }}
{{- "<|eot_id|>" }}
{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' }}
    {%- elif message.role == "tool" or message.role == "ipython" %}
        {{- "<|start_header_id|>ipython<|end_header_id|>\\n\\n" }}
        {%- if message.content is mapping or message.content is iterable and message.content is not string %}
            {{- message.content | tojson }}
        {%- else %}
            {{- message.content }}
        {%- endif %}
        {{- "<|eot_id|>" }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
"""

QWEN2 = """\
{%- if tools %}
    {{- '<|im_start|>system\\n' }}
    {%- if messages[0].role == 'system' %}
        {{- messages[0].content + '\\n\\n' }}
    {%- endif %}
    {{- "# Tools\\n\\n<tools>" }}
    {%- for tool in tools %}
        {{- "\\n" }}
        {{- tool | tojson }}
    {%- endfor %}
    {{- "\\n</tools><|im_end|>\\n" }}
{%- else %}
    {%- if messages[0].role == 'system' %}
        {{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}
    {%- endif %}
{%- endif %}
{%- set ns = namespace(multi_step_tool=true, last_query_index=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.multi_step_tool and message.role == "user" and not(message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) %}
        {%- set ns.multi_step_tool = false %}
        {%- set ns.last_query_index = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}
    {%- elif message.role == "assistant" %}
        {%- set content = message.content %}
        {%- set reasoning_content = '' %}
        {%- if '</think>' in content %}
            {%- set reasoning_content = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
            {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
        {%- endif %}
        {%- if loop.index0 > ns.last_query_index and (loop.last or (not loop.last and reasoning_content)) %}
            {{- '<|im_start|>' + message.role + '\\n<think>\\n' + reasoning_content.strip('\\n') + '\\n</think>\\n\\n' + content.lstrip('\\n') }}
        {%- else %}
            {{- '<|im_start|>' + message.role + '\\n' + content }}
        {%- endif %}
        {{- '<|im_end|>\\n' }}
    {%- elif message.role == "tool" %}
        {%- if loop.first or (messages[loop.index0 - 1].role != "tool") %}
            {{- '<|im_start|>user' }}
        {%- endif %}
        {{- '\\n<tool_response>\\n' }}
        {{- message.content }}
        {{- '\\n</tool_response>' }}
        {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}
            {{- '<|im_end|>\\n' }}
        {%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}
"""

MISTRAL = """\
{%- if messages[0]["role"] == "system" %}
    {%- set system_message = messages[0]["content"] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}
{%- if not tools is defined %}
    {%- set tools = none %}
{%- endif %}
{%- set user_messages = loop_messages | selectattr("role", "equalto", "user") | list %}
{%- set ns = namespace() %}
{%- set ns.index = 0 %}
{%- for message in loop_messages %}
    {%- if not (message.role == "tool" or message.role == "tool_results" or (message.tool_calls is defined and message.tool_calls is not none)) %}
        {%- if (message["role"] == "user") != (ns.index % 2 == 0) %}
            {{- raise_exception("After the optional system message, conversation roles must alternate user/assistant/user/assistant/...") }}
        {%- endif %}
        {%- set ns.index = ns.index + 1 %}
    {%- endif %}
{%- endfor %}
{{- bos_token }}
{%- for message in loop_messages %}
    {%- if message["role"] == "user" %}
        {%- if tools is not none and (message == user_messages[-1]) %}
            {{- "[AVAILABLE_TOOLS] [" }}
            {%- for tool in tools %}
                {%- set tool = tool.function %}
                {{- '{"type": "function", "function": {' }}
                {%- for key, val in tool.items() if key != "return" %}
                    {%- if val is string %}
                        {{- '"' + key + '": "' + val + '"' }}
                    {%- else %}
                        {{- '"' + key + '": ' + val|tojson }}
                    {%- endif %}
                    {%- if not loop.last %}
                        {{- ", " }}
                    {%- endif %}
                {%- endfor %}
                {{- "}}" }}
                {%- if not loop.last %}
                    {{- ", " }}
                {%- else %}
                    {{- "]" }}
                {%- endif %}
            {%- endfor %}
            {{- "[/AVAILABLE_TOOLS]" }}
        {%- endif %}
        {%- if loop.last and system_message is defined %}
            {{- "[INST] " + system_message + "\\n\\n" + message["content"] + "[/INST]" }}
        {%- else %}
            {{- "[INST] " + message["content"] + "[/INST]" }}
        {%- endif %}
    {%- elif message["role"] == "assistant" %}
        {{- " " + message["content"]|trim + eos_token}}
    {%- else %}
        {{- raise_exception("Only user and assistant roles are supported, not " + message["role"] + "!") }}
    {%- endif %}
{%- endfor %}
"""

# White space that only trim_blocks and lstrip_blocks take away, a macro, loop controls, and the odd corners.
BLOCKS = """\
{% macro turn(role, content='nothing') %}
  <{{ role|upper }}>{{ content }}</{{ role|upper }}>
{% endmacro %}
{% for message in messages %}
    {% if message.role == 'skip' %}
        {% continue %}
    {% endif %}
    {% if message.role == 'stop' %}
        {% break %}
    {% endif %}
    {% set who = {'user': 'U', 'assistant': 'A'}.get(message.role, '?') %}
{{ loop.index }}/{{ loop.length }} {{ turn(who, message.content) }}
    {%- if loop.previtem is defined and loop.previtem.role == message.role %} (again){% endif %}

  {% endfor %}
{{ messages | map(attribute='role') | join(',') }}
{{ [1, 2.5, 1e20, 0.00001, -3, "a\\"b<c>&'d'", none, true, {'k': ['ü', '\\n\\t\\\\', '\\x1f']}] | tojson }}
{{ {'b': 1, 'a': [], 'c': {}, 'd': {'e': [1, 2]}} | tojson(indent=2) }}
{{ 'é🙂' | tojson(ensure_ascii=true) }} {{ messages[0].content[:3] }} {{ missing }}|{{ unk_token }}|{{ pad_token }}
{{ 'a-b-c'.replace('-', '+').upper() }} {{ ' x '.strip() ~ 1 ~ [2] }}
{{ (messages | length) // 2 }} {{ 7 % 3 }} {{ 2 ** 3 }} {{ '3' | int + 1 }} {{ [3, 1, 2] | sort | join('<') }} {{ missing | default('d') }} {{ 'u' in 'user' }} {{ not true }} {{ 'x' if false }}
{{ "title case".title() }} {{ 'a\nb' | indent(2) }} {{ {'b': 1, 'a': 2} | dictsort | first }} {{ [1, 1, 2] | unique | list | length }} {{ "CaPs".capitalize() }} {{ range(3) | list }} {{ "a,b".split(",") }}
"""

TEMPLATES = {"smollm2": SMOLLM2, "llama3": LLAMA3, "qwen2": QWEN2, "mistral": MISTRAL, "blocks": BLOCKS}

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "description": "The weather at a <place> & \"time\"",
            "parameters": {
                "type": "object",
                "properties": {"place": {"type": "string", "description": "Où?"}, "days": {"type": "integer"}},
                "required": ["place"],
            },
        },
    },
    {"type": "function", "function": {"name": "clock", "description": "The time", "parameters": {"type": "object", "properties": {}}}},
]


def message(role, content):
    return {"role": role, "content": content}


CONVERSATIONS = [
    [message("user", "Hello")],
    [message("system", " Be brief. \n"), message("user", "Hi <b>there</b> & 'you'")],
    [message("user", "1+1?"), message("assistant", " 2 "), message("user", "  And 2+2?\n\n")],
    [message("system", "S"), message("user", "ü🙂"), message("assistant", "<think>\nwhy\n</think>\n\nok"), message("user", "{{ x }}")],
    [message("user", "a"), message("user", "b")],
    [message("user", "q"), message("assistant", "<think>\nhm\n</think>\n\nanswer")],
    [message("user", "a"), message("skip", "x"), message("stop", "y"), message("user", "z")],
    [message("assistant", "first")],
    [message("user", ""), message("assistant", "")],
]

tokenizer = PreTrainedTokenizerFast(
    tokenizer_object=Tokenizer(models.BPE({"<bos>": 0, "<eos>": 1, "<unk>": 2}, [])),
    bos_token="<bos>",
    eos_token="<eos>",
    unk_token="<unk>",
)


def render(template, messages, add_generation_prompt, tools):
    # transformers always defines strftime_now; a template that is not told the time takes its own date instead.
    template = template.replace("strftime_now is defined", "false")
    return tokenizer.apply_chat_template(
        messages,
        chat_template=template,
        tools=tools,
        add_generation_prompt=add_generation_prompt,
        tokenize=False,
    )


cases = []
for name, template in TEMPLATES.items():
    for messages in CONVERSATIONS:
        for add_generation_prompt in (False, True):
            for tools in (None, TOOLS):
                case = {"template": name, "messages": messages, "prompt": add_generation_prompt, "tools": tools}
                try:
                    case["text"] = render(template, messages, add_generation_prompt, tools)
                except Exception as error:
                    case["error"] = str(error)
                cases.append(case)

text = json.dumps({"templates": TEMPLATES, "cases": cases}, ensure_ascii=True, indent=1)
(HERE / "templates.json").write_text(text + "\n", encoding="utf-8")
print(len(cases), sum("error" in case for case in cases))
