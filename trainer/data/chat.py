"""Conversations as a chat template writes them, and which characters of them are learned.

What an answer adds to a conversation is found in one of three ways, the first that works:

1. the template marks it ({% generation %});
2. it is what the conversation up to the answer has beyond the one before it, with the prompt for an
   answer, where each is the beginning of the next: templates write a conversation turn by turn;
3. later turns change earlier ones (such as reasoning that is shown in the last answer alone): each
   answer is a text of its own, as it was when it was asked for.

A conversation for which none works is left out, with the reason: nothing is learned in silence.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from siftset.schemas.conversations import NO_CONTENT
from siftset.schemas.errors import TrainingError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

CHATML: Final = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' }}"
    "{% if message['role'] == 'assistant' %}"
    "{% generation %}{{ message['content'] + '<|im_end|>' }}{% endgeneration %}"
    "{% else %}{{ message['content'] + '<|im_end|>' }}{% endif %}{{ '\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
"""The template of `chat_template: chatml`."""

_MARKS: Final = re.compile(r"\{%-?\s*generation\s*-?%\}")

Message = dict[str, Any]
Span = tuple[int, int]
Way = Literal["marks", "prefixes", "answers"]
Learn = Literal["all", "last"]


class UnwritableChatError(ValueError):
    """A conversation cannot be learned, and why."""


class LearnedText(NamedTuple):
    """A text and the characters of it that are learned, answer by answer."""

    text: str
    spans: tuple[Span, ...]
    ends_with_answer: bool
    """Whether nothing is said after the last of them."""


@dataclass(frozen=True, slots=True)
class Chat:
    """A conversation as templates take it."""

    messages: tuple[Message, ...]
    learned: frozenset[int]
    """The places of the answers that are to be learned."""
    tools: tuple[Mapping[str, Any], ...] | None = None

    @property
    def answers(self) -> list[int]:
        """The places of all answers."""
        return [at for at, one in enumerate(self.messages) if one["role"] == "assistant"]

    def first(self, turns: int) -> Chat:
        """Return the conversation up to a turn."""
        kept = frozenset(at for at in self.learned if at < turns)
        return Chat(self.messages[:turns], kept, self.tools)

    def drop_exchanges(self, count: int) -> Chat:
        """Leave out so many questions with all that answers them, after the system's turn."""
        starts = self.exchanges
        begin, end = starts[0], starts[count]
        kept = frozenset(at if at < begin else at - end + begin for at in self.learned if at >= end)
        return Chat(self.messages[:begin] + self.messages[end:], kept, self.tools)

    @property
    def exchanges(self) -> list[int]:
        """The places where the user begins to speak."""
        found = [at for at, one in enumerate(self.messages) if one["role"] == "user"]
        before = itertools.chain([None], found)
        return [at for at, last in zip(found, before, strict=False) if last != at - 1]


def read_chat(
    turns: Sequence[Mapping[str, Any]], tools: str | Sequence[Any] | None, learn: Learn
) -> Chat:
    """Return a stored conversation as templates take it; an answer of weight 0 is not learned."""
    messages: list[Message] = []
    learned: list[int] = []
    for at, turn in enumerate(turns):
        extra: dict[str, Any] = json.loads(turn["extra"]) if turn["extra"] else {}
        weight = extra.pop("weight", 1)
        extra.pop(NO_CONTENT, None)
        messages.append({**extra, "role": turn["role"], "content": turn["content"] or ""})
        if turn["role"] == "assistant" and weight in (1, None):
            learned.append(at)
    chat = Chat(tuple(messages), frozenset(learned), _read_tools(tools))
    if learn == "last":
        return replace(chat, learned=chat.learned & set(chat.answers[-1:]))
    return chat


def _read_tools(tools: str | Sequence[Any] | None) -> tuple[Mapping[str, Any], ...] | None:
    if isinstance(tools, str):
        try:
            tools = json.loads(tools)
        except ValueError:
            raise UnwritableChatError("its tools are no JSON") from None
    if not tools:
        return None
    if not isinstance(tools, Sequence) or not all(isinstance(one, Mapping) for one in tools):
        raise UnwritableChatError("its tools are no list of objects")
    return tuple(tools)


@dataclass(slots=True)
class ChatTemplate:
    """A chat template with the special tokens that it may name."""

    source: str
    variables: Mapping[str, Any] = field(default_factory=dict)
    argument_text: bool | None = None
    """Whether arguments of tool calls are given as text; None: not known yet."""

    @property
    def has_marks(self) -> bool:
        """Whether the template marks what is generated."""
        return _MARKS.search(self.source) is not None

    def render(self, chat: Chat, *, prompt: bool = False) -> str:
        """Write a conversation; `prompt` adds what stands before an answer.

        Raises UnwritableChatError with what the template says.
        """
        return self._render(chat, prompt=prompt, marked=False)[0]

    def render_marked(self, chat: Chat) -> tuple[str, list[Span]]:
        """Write a conversation, and say which characters the template marks."""
        return self._render(chat, prompt=False, marked=True)

    def _render(self, chat: Chat, *, prompt: bool, marked: bool) -> tuple[str, list[Span]]:
        if self.argument_text is None and any(one.get("tool_calls") for one in chat.messages):
            # decided once, on the first conversation that calls a tool
            try:
                found = self._write(chat, prompt, marked, as_text=False)
            except UnwritableChatError:
                found = self._write(chat, prompt, marked, as_text=True)
                self.argument_text = True
            else:
                self.argument_text = False
            return found
        return self._write(chat, prompt, marked, as_text=bool(self.argument_text))

    def _write(
        self, chat: Chat, prompt: bool, marked: bool, *, as_text: bool
    ) -> tuple[str, list[Span]]:
        from jinja2 import TemplateError
        from transformers.utils.chat_template_utils import render_jinja_template

        messages = [_with_arguments(one, as_text=as_text) for one in chat.messages]
        try:
            # its own annotation says str, and it returns texts and spans
            written: Any = render_jinja_template(
                [messages],
                tools=[dict(tool) for tool in chat.tools] if chat.tools else None,
                chat_template=self.source,
                return_assistant_tokens_mask=marked,
                add_generation_prompt=prompt,
                **self.variables,
            )
        except (TemplateError, TypeError, ValueError, KeyError, AttributeError) as error:
            said = " ".join(str(error).split())[:160] or type(error).__name__
            raise UnwritableChatError(f"the chat template refuses it: {said}") from None
        [text], spans = written
        return text, [(int(a), int(b)) for a, b in spans[0]] if marked else []


def _with_arguments(message: Message, *, as_text: bool) -> Message:
    """Return a message whose tool calls have their arguments as an object, or as text."""
    calls = message.get("tool_calls")
    if not isinstance(calls, list):
        return message
    return {**message, "tool_calls": [_convert_call(call, as_text=as_text) for call in calls]}


def _convert_call(call: Any, *, as_text: bool) -> Any:  # noqa: ANN401  whatever JSON holds
    inner = call.get("function") if isinstance(call, dict) else None
    if not isinstance(inner, dict) or "arguments" not in inner:
        return call
    given = inner["arguments"]
    if as_text and not isinstance(given, str):
        given = json.dumps(given, ensure_ascii=False)
    elif not as_text and isinstance(given, str):
        try:
            given = json.loads(given)
        except ValueError:
            return call
    return {**call, "function": {**inner, "arguments": given}}


def find_chat_template(tokenizer: PreTrainedTokenizerBase, wanted: str, name: str) -> ChatTemplate:
    """Return the chat template of a recipe: the tokenizer's, `chatml`, or the text of a file.

    Raises TrainingError where the tokenizer has none.
    """
    source = CHATML if wanted == "chatml" else wanted
    if wanted == "tokenizer":
        given = tokenizer.chat_template
        found = given.get("default") if isinstance(given, Mapping) else given
        if not found:
            raise TrainingError(
                f"the tokenizer of '{name}' has no chat template: set  train.chat_template: chatml "
                " or the path of a .jinja file"
            )
        source = str(found)
    return ChatTemplate(source, dict(tokenizer.special_tokens_map))


def learned_texts(template: ChatTemplate, chat: Chat) -> tuple[Way, list[LearnedText]]:
    """Return what is learned of a conversation, and the way in which it was found.

    Raises UnwritableChatError where there is nothing to learn, or no way to tell what.
    """
    if not chat.learned:
        raise UnwritableChatError("it has no answer to learn")
    if template.has_marks:
        marked = by_marks(template, chat)
        if marked is not None:
            return "marks", [marked]
    whole = by_prefixes(template, chat)
    if whole is not None:
        return "prefixes", [whole]
    return "answers", by_answers(template, chat)


def by_marks(template: ChatTemplate, chat: Chat) -> LearnedText | None:
    """Return the text with what the template marks; None where an answer has no mark."""
    text, spans = template.render_marked(chat)
    answers = chat.answers
    if len(spans) != len(answers) or any(begin >= end for begin, end in spans):
        return None
    wanted = tuple(span for at, span in zip(answers, spans, strict=True) if at in chat.learned)
    return LearnedText(text, wanted, answers[-1] in chat.learned and _is_last(chat, answers[-1]))


def by_prefixes(template: ChatTemplate, chat: Chat) -> LearnedText | None:
    """Return the text with what each answer adds to it; None where turns change earlier ones."""
    text = template.render(chat)
    spans: list[Span] = []
    for at in sorted(chat.learned):
        last = at == len(chat.messages) - 1
        upto = text if last else _try_render(template, chat.first(at + 1))
        begin = None if upto is None or not text.startswith(upto) else _begin(template, chat, at)
        if upto is None or begin is None or not upto.startswith(begin) or upto == begin:
            return None
        spans.append((len(begin), len(upto)))
    return LearnedText(text, tuple(spans), _is_last(chat, max(chat.learned)))


def by_answers(template: ChatTemplate, chat: Chat) -> list[LearnedText]:
    """Return a text for each answer, which ends with it, as it was when it was asked for."""
    found = []
    for at in sorted(chat.learned):
        text = template.render(chat.first(at + 1))
        begin = _begin(template, chat, at, text)
        if begin is None or text == begin:
            raise UnwritableChatError(
                "what its chat template writes before an answer is not the beginning of what it "
                "writes with the answer"
            )
        found.append(LearnedText(text, ((len(begin), len(text)),), ends_with_answer=True))
    return found


def _is_last(chat: Chat, at: int) -> bool:
    return at == len(chat.messages) - 1


def _begin(template: ChatTemplate, chat: Chat, at: int, text: str | None = None) -> str | None:
    """Return what stands before an answer: with the prompt for it where the template has one."""
    before = chat.first(at)
    whole = text if text is not None else _try_render(template, chat.first(at + 1))
    for prompt in (True, False):
        written = _try_render(template, before, prompt=prompt)
        if written is not None and whole is not None and whole.startswith(written):
            return written
    # a conversation that begins with an answer: many templates refuse one without turns
    return "" if at == 0 else None


def _try_render(template: ChatTemplate, chat: Chat, *, prompt: bool = False) -> str | None:
    try:
        return template.render(chat, prompt=prompt)
    except UnwritableChatError:
        return None
