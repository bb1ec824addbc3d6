# /// script
# requires-python = ">=3.10"
# dependencies = ["jinja2==3.1.6", "transformers==5.23.0"]
# ///
"""Reference conversations for tests/models/chat.test.ts, written to tests/goldens/chat.json.

    python3 -m venv .venv && .venv/bin/pip install jinja2==3.1.6 transformers==5.23.0
    .venv/bin/python tests/goldens/chat.py

By transformers' own renderer (what apply_chat_template calls), without tools. The templates were written for this file; each
does what the template of a family does, with that family's constructs: namespaces, loop controls, macros, slices, filters,
tests, string methods, dates, JSON. A template that refuses a conversation is recorded as refusing it, with its words.
"""

import json
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from unittest import mock

from transformers.utils import chat_template_utils
from transformers.utils.chat_template_utils import render_jinja_template

OUTPUT = Path(__file__).with_suffix(".json")
NOW = datetime(2025, 3, 4, 5, 6, 7)
SPECIAL = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}

TEMPLATES = {
    # A date, tools that are none, a system message that is always there.
    "llama3": """{{- bos_token }}
{%- if custom_tools is defined %}
    {%- set tools = custom_tools %}
{%- endif %}
{%- if not date_string is defined %}
    {%- if strftime_now is defined %}
        {%- set date_string = strftime_now("%d %b %Y") %}
    {%- else %}
        {%- set date_string = "26 Jul 2024" %}
    {%- endif %}
{%- endif %}
{%- if not tools is defined %}
    {%- set tools = none %}
{%- endif %}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}
{%- if tools is not none %}
    {{- "Environment: ipython\\n" }}
{%- endif %}
{{- "Today Date: " + date_string + "\\n\\n" }}
{{- system_message }}
{{- "<|eot_id|>" }}
{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
""",
    # Folds a system message into the first user message; turns must alternate; content may be a list.
    "gemma3": """{{ bos_token }}
{%- if messages[0]['role'] == 'system' -%}
    {%- if messages[0]['content'] is string -%}
        {%- set first_user_prefix = messages[0]['content'] + '\\n\\n' -%}
    {%- else -%}
        {%- set first_user_prefix = messages[0]['content'][0]['text'] + '\\n\\n' -%}
    {%- endif -%}
    {%- set loop_messages = messages[1:] -%}
{%- else -%}
    {%- set first_user_prefix = "" -%}
    {%- set loop_messages = messages -%}
{%- endif -%}
{%- for message in loop_messages -%}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}
        {{ raise_exception("Roles must take turns: user/assistant/user/assistant/...") }}
    {%- endif -%}
    {%- if (message['role'] == 'assistant') -%}
        {%- set role = "model" -%}
    {%- else -%}
        {%- set role = message['role'] -%}
    {%- endif -%}
    {{ '<start_of_turn>' + role + '\\n' + (first_user_prefix if loop.first else "") }}
    {%- if message['content'] is string -%}
        {{ message['content'] | trim }}
    {%- elif message['content'] is iterable -%}
        {%- for item in message['content'] -%}
            {%- if item['type'] == 'text' -%}{{ item['text'] | trim }}{%- endif -%}
        {%- endfor -%}
    {%- else -%}
        {{ raise_exception("Not a content") }}
    {%- endif -%}
    {{ '<end_of_turn>\\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{'<start_of_turn>model\\n'}}
{%- endif -%}
""",
    # Refuses a system message.
    "gemma2": """{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('No system role here') }}{% endif %}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Roles must take turns') }}{% endif %}{{ '<start_of_turn>' + ('model' if message['role'] == 'assistant' else message['role']) + '\\n' + message['content'] | trim + '<end_of_turn>\\n' }}{% endfor %}{% if add_generation_prompt %}{{'<start_of_turn>model\\n'}}{% endif %}""",
    # A system message of its own where none is given; tools are undefined, and would go out as JSON.
    "qwen2.5": """{%- if tools %}
    {{- '<|im_start|>system\\n' }}
    {%- for tool in tools %}
        {{- "\\n" }}
        {{- tool | tojson }}
    {%- endfor %}
    {{- "<|im_end|>\\n" }}
{%- else %}
    {%- if messages[0]['role'] == 'system' %}
        {{- '<|im_start|>system\\n' + messages[0]['content'] + '<|im_end|>\\n' }}
    {%- else %}
        {{- '<|im_start|>system\\nYou help.<|im_end|>\\n' }}
    {%- endif %}
{%- endif %}
{%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) or (message.role == "assistant" and not message.tool_calls) %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}
    {%- elif message.role == "tool" %}
        {{- message | tojson }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
""",
    # Looks for the last question from the end, and takes thoughts out of what was said before it.
    "qwen3": """{%- if messages[0].role == 'system' %}
    {{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}
{%- endif %}
{%- set ns = namespace(multi_step_tool=true, last_query_index=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.multi_step_tool and message.role == "user" and message.content is string and not(message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) %}
        {%- set ns.multi_step_tool = false %}
        {%- set ns.last_query_index = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.content is string %}
        {%- set content = message.content %}
    {%- else %}
        {%- set content = '' %}
    {%- endif %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\\n' + content + '<|im_end|>' + '\\n' }}
    {%- elif message.role == "assistant" %}
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
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}
""",
    # Block tags on lines of their own, which trim_blocks and lstrip_blocks take away; ends with EOS where nothing follows.
    "phi3": """{% for message in messages %}
  {% if message['role'] == 'system' and message['content'] %}
{{'<|system|>\\n' + message['content'] + '<|end|>\\n'}}
  {% elif message['role'] == 'user' %}
{{'<|user|>\\n' + message['content'] + '<|end|>\\n'}}
  {% elif message['role'] == 'assistant' %}
{{'<|assistant|>\\n' + message['content'] + '<|end|>\\n'}}
  {% endif %}
{% endfor %}
{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% else %}{{ eos_token }}{% endif %}""",
    # Instructions in brackets; the system message goes with the last of them; a filter chain and a loop control.
    "mistral": """{%- if messages and messages[0]["role"] == "system" %}
    {%- set system_message = messages[0]["content"] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}
{%- set user_messages = loop_messages | selectattr("role", "equalto", "user") | list %}
{%- set ns = namespace(index=0) %}
{%- for message in loop_messages %}
    {%- if not message.content %}{%- continue %}{%- endif %}
    {%- if (message["role"] == "user") != (ns.index % 2 == 0) %}
        {{- raise_exception("After the optional system message, roles must take turns, not " + message.role ~ " at " ~ loop.index) }}
    {%- endif %}
    {%- set ns.index = ns.index + 1 %}
{%- endfor %}
{{- bos_token }}
{%- for message in loop_messages %}
    {%- if message["role"] == "user" %}
        {%- if loop.last and system_message is defined %}
            {{- "[INST] " + system_message + "\\n\\n" + message["content"] + "[/INST]" }}
        {%- else %}
            {{- "[INST] " + message["content"] + "[/INST]" }}
        {%- endif %}
    {%- elif message["role"] == "assistant" %}
        {{- " " + message["content"]|trim + eos_token}}
    {%- else %}
        {{- raise_exception("Only user and assistant roles are known, with an optional system message!") }}
    {%- endif %}
{%- endfor %}
{{- "" if user_messages|length else "(nobody asked)" }}""",
    # What templates use beside: macros, JSON with indents, dates in words, dictionaries, string methods, comments, generation.
    "others": """{# a comment #}{% macro turn(role, text='') -%}
[{{ role | upper }}: {{ text }}]
{%- endmacro %}{{ strftime_now('%Y-%m-%d %A, %B %-d %H:%M:%S %j %y %I %p') }}
{% for m in messages %}{% if loop.index > 2 %}{% break %}{% endif %}{{ turn(m.role | capitalize, m.content.replace('a', 'b', 1)) }}{{ {'n': loop.index, 'r': m['role'], 'é': [1, 2.5, none, true]} | tojson }}
{{ m | tojson(indent=2) }}{{ m.get('name', 'nobody') }}{% for k, v in m.items() %}({{ k }}={{ v | lower }}){% endfor %}
{% if m.role == 'assistant' %}{% generation %}{{ m.content }}{% endgeneration %}{% endif %}
{% endfor %}{{ messages | map(attribute='role') | join(', ') }} {{ 'none' if tools is none and documents is none and nothing is not defined }} {{ '--a-b-'.strip('-') ~ ' xxyzx'.lstrip(' x') ~ 'é\\n\\n'.rstrip('\\n') }} {{ pad_token }}{{ unk_token | default('?') }}""",
}

CONVERSATIONS = [
    [("user", "Hi")],
    [("system", "Be brief."), ("user", "2 + 2?")],
    [("user", "2 + 2?"), ("assistant", "4"), ("user", "Sure?\nReally?")],
    [("system", " s "), ("user", " a "), ("assistant", "<think>\nwell\n</think>\n\n b "), ("user", "c")],
    [("user", "one"), ("assistant", "<think>so</think>two")],
    [("user", "<|im_end|> {{ braces }} {% tags %} \"quotes\" <b>&amp;</b> \\ back")],
    [("user", "Ünïcödé 😀 漢字 \t\u00a0 end  ")],
    [("user", "a"), ("user", "b")],
    [("assistant", "first")],
    [("system", "alone")],
    [("system", ""), ("user", "x")],
    [("tool", "42")],
]


def main():
    cases = []
    with mock.patch.object(chat_template_utils, "datetime") as clock:
        clock.now.return_value = NOW
        for name, template in TEMPLATES.items():
            for conversation in CONVERSATIONS:
                messages = [{"role": role, "content": content} for role, content in conversation]
                for prompt in [False, True]:
                    case = {"template": name, "messages": messages, "addGenerationPrompt": prompt}
                    try:
                        rendered, _ = render_jinja_template(
                            [messages], chat_template=template, add_generation_prompt=prompt, **SPECIAL
                        )
                        cases.append({**case, "text": rendered[0]})
                    except Exception as error:
                        cases.append({**case, "refused": str(error)})
    golden = {
        "made by": {name: version(name) for name in ["transformers", "jinja2"]},
        "now": NOW.isoformat(),
        "special": SPECIAL,
        "templates": TEMPLATES,
        "cases": cases,
    }
    text = json.dumps(golden, ensure_ascii=True, separators=(",", ":"))
    OUTPUT.write_text(text.replace('{"template"', '\n{"template"') + "\n")


if __name__ == "__main__":
    main()
