"""Which tokens of a conversation are learned: the three ways agree, and nothing is silent."""

from __future__ import annotations

import functools
import importlib.util
import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from siftset.pipeline.run.job import load_job
from siftset.schemas.errors import TrainingError
from siftset.trainer.data.chat import (
    Chat,
    ChatTemplate,
    UnwritableChatError,
    by_answers,
    by_marks,
    by_prefixes,
    find_chat_template,
    learned_texts,
    read_chat,
)
from siftset.trainer.data.chat_counts import ChatCounts
from siftset.trainer.data.chat_tokens import CONTROL, TOO_LONG, ChatEncoder

_SPEC = importlib.util.spec_from_file_location("_chats", Path(__file__).parents[1] / "chats.py")
assert _SPEC is not None
assert _SPEC.loader is not None
chats = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(chats)

SYSTEM = ("chatml", "marked", "llama")
"""Templates that take a system's turn."""


@functools.cache
def tokenizer_of(kind: str) -> Any:
    return chats.make_tokenizer(kind)


def make_encoder(kind: str = "bytes", template: str = "chatml", **options: Any) -> ChatEncoder:
    tokenizer = tokenizer_of(kind)
    source = chats.TEMPLATES.get(template, template)
    found = ChatTemplate(source, dict(tokenizer.special_tokens_map))
    return ChatEncoder(tokenizer, found, **{"length": 4096, **options})


def compare_ways(kind: str, template: str, n: int) -> None:
    """Hold the tokens and labels of random conversations found in one way against another's."""
    encoder, draw = make_encoder(kind, template), random.Random(f"{kind} {template}")
    drawn = (chats.random_turns(draw, system=template in SYSTEM) for _ in range(2 * n + 20))
    talks = [chat for turns in drawn if (chat := read_chat(turns, None, "all")).learned][:n]
    assert len(talks) == n
    whole = [by_prefixes(encoder.template, chat) for chat in talks]
    assert None not in whole
    once = encoder.tokenize(whole)
    if template == "marked":
        assert encoder.tokenize([by_marks(encoder.template, chat) for chat in talks]) == once
    each = [by_answers(encoder.template, chat) for chat in talks]
    alone = iter(encoder.tokenize([text for texts in each for text in texts]))
    for one, texts in zip(once, each, strict=True):
        assert len(one.spans) == len(texts)
        for span in one.spans:
            text = next(alone)
            assert text.spans == (span,)
            assert text.ids[: span[1]] == one.ids[: span[1]]


@pytest.mark.parametrize("template", chats.TEMPLATES)
@pytest.mark.parametrize("kind", chats.KINDS)
def test_two_ways_find_the_same_tokens_and_labels(kind: str, template: str) -> None:
    compare_ways(kind, template, 5)


@pytest.mark.slow
@pytest.mark.parametrize("template", chats.TEMPLATES)
@pytest.mark.parametrize("kind", chats.KINDS)
def test_two_ways_agree_on_many_conversations(kind: str, template: str, few_or_all) -> None:
    compare_ways(kind, template, few_or_all(200, 1_000))


CASES = Path(__file__).resolve().parents[3] / ".." / "shared" / "cases" / "shapes"
CALLS = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] }}"
    "{% for c in m['tool_calls'] or [] %}{{ '<tool call ' + c['function']['name'] + '>' }}"
    "{% endfor %}{{ '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


@pytest.mark.skipif(not CASES.is_dir(), reason="the shared cases are not there")
@pytest.mark.parametrize("case", ["01_openai", "02_sharegpt", "03_alpaca", "04_preference"])
def test_shared_cases_learn_what_is_expected(case: str, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(CASES / case, tmp_path / case))
    expected = json.loads((folder / "expect.json").read_text())["learned"]
    frame = load_job(folder / "recipe.yaml").sources.frame()
    rows = dict(enumerate(frame.to_dicts()))
    encoder = make_encoder(template=CALLS)
    for record, answers in expected.items():
        [made] = encoder.encode([rows[int(record)]], ChatCounts())
        found = [encoder.tokenizer.decode(made.ids[a:b]) for a, b in made.spans]
        assert found == [f"{answer}<|im_end|>" for answer in answers]


def turn(role: str, content: str | None, **extra: Any) -> dict[str, Any]:
    return {"role": role, "content": content, "extra": json.dumps(extra) if extra else None}


ASKED = [turn("user", "Where is my order ?"), turn("assistant", "It left on Monday .")]


def said(encoder: ChatEncoder, *rows: Any, counts: ChatCounts | None = None) -> list[list[str]]:
    """Return what is learned of each sequence, as text."""
    made = encoder.encode([{"messages": row} for row in rows], counts or ChatCounts())
    decode = encoder.tokenizer.decode
    return [[decode(one.ids[a:b]) for a, b in one.spans] for one in made]


@pytest.mark.parametrize(
    ("template", "end"),
    [
        ("chatml", "<|im_end|>"),
        ("marked", "<|im_end|>"),
        ("llama", "<|eot_id|>"),
        ("mistral", "</s>"),
        ("gemma", "<end_of_turn>"),
    ],
)
@pytest.mark.parametrize("kind", ["bytes", "bytes trimmed"])
def test_an_answer_is_learned_with_its_end(kind: str, template: str, end: str) -> None:
    counts = ChatCounts()
    [learned] = said(make_encoder(kind, template), [*ASKED, *ASKED], counts=counts)
    assert [text.strip() for text in learned] == [f"It left on Monday .{end}"] * 2
    assert counts.endless == 0
    assert counts.edges == 0
    assert list(counts.stops) == [tokenizer_of(kind).convert_tokens_to_ids(end)]


def test_answers_of_weight_0_are_not_learned_and_the_last_alone_on_demand() -> None:
    row = [*ASKED, turn("user", "more"), turn("assistant", "one invoice", weight=0), *ASKED]
    assert len(said(make_encoder(), row)[0]) == 2
    assert len(said(make_encoder(learn="last"), row)[0]) == 1
    counts = ChatCounts()
    unlearned = [turn("user", "x"), turn("assistant", "y", weight=False)]
    assert said(make_encoder(), unlearned, ASKED[:1], None, [], counts=counts) == []
    assert counts.left_out == {"it has no answer to learn": 4}


def test_all_of_a_conversation_is_learned_on_demand() -> None:
    [made] = make_encoder(answers_only=False).encode([{"messages": ASKED}], ChatCounts())
    assert made.spans == ((1, len(made.ids)),)


def test_a_template_that_changes_earlier_turns_gives_a_sequence_an_answer() -> None:
    encoder, counts = make_encoder(template=chats.THINKING), ChatCounts()
    row = [*ASKED, turn("user", "two ?"), turn("assistant", "two boxes")]
    found = said(encoder, row, ASKED, counts=counts)
    assert found == [
        ["(thought) It left on Monday .<|im_end|>"],
        ["(thought) two boxes<|im_end|>"],
        ["(thought) It left on Monday .<|im_end|>"],
    ]
    assert counts.ways == {"answers": 1, "prefixes": 1}
    assert (counts.chats, counts.sequences) == (2, 3)
    assert counts.tokens > counts.plain_tokens


def test_marks_that_miss_an_answer_give_way_to_prefixes() -> None:
    # a call without a content is written outside of the mark
    source = chats.MARKED.replace(
        "{% generation %}{{ m['content'] + '<|im_end|>' }}{% endgeneration %}",
        "{% if m['content'] %}{% generation %}{{ m['content'] + '<|im_end|>' }}{% endgeneration %}"
        "{% else %}{{ 'call ' + m['tool_calls'][0]['function']['arguments']['x'] + '<|im_end|>' }}"
        "{% endif %}",
    )
    call = {"id": "1", "function": {"name": "f", "arguments": '{"x": "warm"}'}}
    row = [ASKED[0], turn("assistant", None, tool_calls=[call]), turn("tool", "3"), ASKED[1]]
    counts = ChatCounts()
    encoder = make_encoder(template=source)
    assert said(encoder, row, ASKED, counts=counts) == [
        ["call warm<|im_end|>", "It left on Monday .<|im_end|>"],
        ["It left on Monday .<|im_end|>"],
    ]
    assert counts.ways == {"prefixes": 1, "marks": 1}


def test_arguments_are_given_as_text_where_the_template_wants_text() -> None:
    source = chats.CHATML.replace(
        "m['content'] +", "m['content'] + (m['tool_calls'][0]['function']['arguments'] + '' "
        "if m['tool_calls'] else '') +"
    )  # fmt: skip
    call = {"id": "1", "function": {"name": "f", "arguments": '{"x": 1}'}}
    row = [ASKED[0], turn("assistant", None, tool_calls=[call])]
    encoder = make_encoder(template=source)
    assert said(encoder, row) == [['{"x": 1}<|im_end|>']]
    assert encoder.template.argument_text is True


def test_tools_are_passed_on_to_the_template() -> None:
    source = "{% if tools %}{{ tools[0]['name'] }}{% endif %}" + chats.CHATML
    encoder = make_encoder(template=source)
    tools = '[{"name": "stock"}]'
    [made] = encoder.encode([{"messages": ASKED, "tools": tools}], ChatCounts())
    assert encoder.tokenizer.decode(made.ids).startswith("stock<|im_start|>user")
    counts = ChatCounts()
    encoder.encode([{"messages": ASKED, "tools": text} for text in ("{", '"x"')], counts)
    assert counts.left_out == {"its tools are no JSON": 1, "its tools are no list of objects": 1}


def test_a_content_with_a_special_token_is_left_out_and_counted() -> None:
    counts = ChatCounts()
    forged = [turn("user", "x<|im_end|>"), turn("assistant", "y")]
    assert said(make_encoder(), forged, counts=counts) == []
    assert counts.left_out == {CONTROL: 1}


def test_what_the_template_refuses_is_left_out_with_its_reason() -> None:
    counts = ChatCounts()
    row = [turn("system", "be brief"), *ASKED]
    said(make_encoder(template="mistral"), row, counts=counts)
    said(make_encoder(template="gemma"), row, counts=counts)
    assert counts.left_out == {
        "the chat template refuses it: roles must alternate user/assistant": 1,
        "the chat template refuses it: System role not supported": 1,
    }


def test_a_template_without_prefixes_is_refused_and_not_guessed() -> None:
    # the answer comes before the question
    source = "{% for m in messages | reverse %}{{ m['content'] + '<|im_end|>' }}{% endfor %}"
    counts = ChatCounts()
    assert said(make_encoder(template=source), ASKED, counts=counts) == []
    [reason] = counts.left_out
    assert "not the beginning of what it writes with the answer" in reason


def test_answers_that_no_token_ends_get_the_end_of_the_text() -> None:
    source = "{% for m in messages %}{{ m['role'] + ': ' + m['content'] + '\n' }}{% endfor %}"
    counts = ChatCounts()
    [learned] = said(make_encoder(template=source), [*ASKED, *ASKED], counts=counts)
    assert learned[-1].endswith("</s>")
    assert "</s>" not in learned[0]
    assert counts.endless == 1


def test_tokens_across_the_edge_of_an_answer_are_counted() -> None:
    source = "{% for m in messages %}{{ m['role'] + m['content'] }}{% endfor %}"
    source += "{% if add_generation_prompt %}{{ 'assistant' }}{% endif %}"
    encoder, counts = make_encoder("unigram", source), ChatCounts()
    row = [turn("user", "x"), turn("assistant", "s are")]
    encoder.encode([{"messages": row}], counts)
    places = encoder.tokenizer("assistants are", return_offsets_mapping=True)["offset_mapping"]
    assert counts.edges == sum(begin < len("assistant") < end for begin, end in places)


def test_a_long_conversation_loses_its_first_exchanges_whole() -> None:
    row = [turn("system", "be brief")]
    for number in range(6):
        row += [turn("user", f"question {number} ?"), turn("assistant", f"answer {number} .")]
    encoder = make_encoder()
    [whole] = encoder.encode([{"messages": row}], ChatCounts())
    for length in (len(whole.ids) - 1, len(whole.ids) // 2):
        counts = ChatCounts()
        [short] = make_encoder(length=length).encode([{"messages": row}], counts)
        text = encoder.tokenizer.decode(short.ids)
        assert len(short.ids) <= length
        assert counts.shortened == 1
        assert text.startswith("<|im_start|>system\nbe brief<|im_end|>\n<|im_start|>user\nquestion")
        first = int(text.split("question ")[1][0])
        # no more was left out than had to be
        kept = [row[0], *row[1 + 2 * (first - 1) :]]
        [longer] = encoder.encode([{"messages": kept}], ChatCounts())
        assert len(longer.ids) > length
        assert len(short.spans) == 6 - first
    counts = ChatCounts()
    assert make_encoder(length=8).encode([{"messages": row}], counts) == []
    assert counts.left_out == {TOO_LONG: 1}


def test_exchanges_begin_where_the_user_begins_to_speak() -> None:
    roles = ["system", "assistant", "user", "user", "assistant", "tool", "assistant", "user"]
    chat = Chat(tuple({"role": role, "content": ""} for role in roles), frozenset([4, 6]))
    assert chat.exchanges == [2, 7]
    assert [one["role"] for one in chat.drop_exchanges(1).messages] == [
        "system",
        "assistant",
        "user",
    ]
    assert chat.drop_exchanges(1).learned == frozenset()


def test_a_conversation_may_begin_with_an_answer() -> None:
    [learned] = said(make_encoder("bytes", "gemma"), [turn("assistant", "Hello"), *ASKED])
    assert [text.strip()[-13:] for text in learned] == ["<end_of_turn>"] * 2


def test_templates_are_found_or_asked_for() -> None:
    tokenizer = tokenizer_of("bytes")
    assert "<|im_start|>" in find_chat_template(tokenizer, "chatml", "x").source
    assert find_chat_template(tokenizer, "{{ 1 }}", "x").source == "{{ 1 }}"
    with pytest.raises(TrainingError, match=r"tokenizer of 'x' has no chat template: set  train"):
        find_chat_template(tokenizer, "tokenizer", "x")
    shipped = ChatTemplate(find_chat_template(tokenizer, "chatml", "x").source)
    way, [text] = learned_texts(shipped, read_chat(ASKED, None, "all"))
    assert way == "marks"
    assert [text.text[a:b] for a, b in text.spans] == ["It left on Monday .<|im_end|>"]
    with pytest.raises(UnwritableChatError, match="no answer to learn"):
        learned_texts(shipped, read_chat(ASKED[:1], None, "all"))


def test_counts_come_back_from_json() -> None:
    counts = ChatCounts(chats=3)
    counts.ways["marks"] += 2
    counts.stops[7] += 1
    counts.left_out["why"] += 4
    assert ChatCounts.from_json(json.loads(json.dumps(counts.to_json()))) == counts
