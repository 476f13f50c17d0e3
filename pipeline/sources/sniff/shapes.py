"""What the records of a file are: conversations, pairs, annotations, pages, plain texts."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import polars as pl
from pydantic import JsonValue

from siftset.pipeline.sources.sniff.confidence import Confidence
from siftset.pipeline.sources.sniff.header import is_number

LOOKED_AT: Final = 200
_MOST: Final = 0.95
_PAIRS: Final = (
    ("instruction", "output"),
    ("instruction", "response"),
    ("prompt", "completion"),
    ("prompt", "response"),
    ("question", "answer"),
    ("question", "response"),
    ("input", "output"),
)
_SPEAKER: Final = ("role", "sender", "speaker", "author", "from", "user")
_TIMES: Final = ("time", "timestamp", "created_at", "date", "sent_at", "at", "ts")
_PRODIGY: Final = {"accept", "reject", "ignore"}

Record = Mapping[str, Any]


class Shape(NamedTuple):
    """What records are, and the lines of a recipe that read them."""

    name: str
    keys: Mapping[str, JsonValue] = {}
    """Keys of the source."""
    confidence: Confidence = "certain"
    because: str = ""
    said: str = ""
    """What the user should know."""
    signals: Mapping[str, JsonValue] = {}
    """Signals that rows must have."""
    columns: tuple[str, ...] = ()
    """Columns of the conversation, whose rows need no other text."""

    @property
    def has_messages(self) -> bool:
        """Whether records are conversations."""
        return "messages" in self.keys


def find_shape(frame: pl.DataFrame) -> Shape:
    """Tell what the first records are; raise nothing: what is nothing else is a table of texts."""
    records = list(_read_records(frame.head(LOOKED_AT)))
    names: dict[str, str] = {}
    for name in frame.columns:
        names.setdefault(name.lower(), name)
    for look in _LOOKS:
        found = look(records, names)
        if found is not None:
            return found
    return Shape("table of texts")


def find_nested_text(frame: pl.DataFrame) -> str | None:
    """Return the path to the longest texts inside columns that nest; None where none has words."""
    length: dict[str, int] = {}

    def look(value: object, path: str) -> None:
        if isinstance(value, Mapping):
            for name, inner in value.items():
                look(inner, path + _step(str(name)))
        elif isinstance(value, str) and " " in value.strip():
            length[path] = length.get(path, 0) + len(value)

    for record in _read_records(frame.head(LOOKED_AT)):
        for name, value in record.items():
            if isinstance(value, Mapping):
                look(value, name)
    return max(length, key=lambda path: length[path], default=None)


def _read_records(frame: pl.DataFrame) -> Iterator[Record]:
    """Yield rows with what their texts nest."""
    for row in frame.iter_rows(named=True):
        yield {name: _parse_nested(value) for name, value in row.items() if value is not None}


def _parse_nested(value: object) -> object:
    if isinstance(value, str) and value[:1] in ("[", "{"):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _share(records: Sequence[Record], name: str, holds: Callable[[Any], bool]) -> float:
    """Return the share of the records with a value whose value is such."""
    given = [record[name] for record in records if name in record]
    return sum(map(holds, given)) / len(given) if given else 0.0


def _holds_messages(role: str, content: str) -> Callable[[Any], bool]:
    def holds(value: object) -> bool:
        if not isinstance(value, list):
            return False
        whole = [isinstance(m, Mapping) and role in m and bool({content, "tool_calls"} & m.keys())
                 for m in value]  # fmt: skip
        return all(whole)

    return holds


_OPENAI: Final = _holds_messages("role", "content")
_SHAREGPT: Final = _holds_messages("from", "value")


def _find_preference(records: Sequence[Record], names: Mapping[str, str]) -> Shape | None:
    if not {"chosen", "rejected"} <= names.keys():
        return None
    chosen, rejected = names["chosen"], names["rejected"]
    is_talk = _share(records, chosen, _OPENAI) >= _MOST
    prompt = next((names[n] for n in ("prompt", "question", "instruction") if n in names), None)
    if prompt is None and not is_talk:
        return None
    messages: JsonValue = [prompt, chosen] if prompt is not None else chosen
    return Shape(
        "preference pairs",
        {"messages": messages},
        said=f"{chosen} and {rejected}: siftset curates both and trains on {chosen} alone "
        "(task: causal)",
        columns=tuple(name for name in (prompt, chosen, rejected) if name),
    )


def _find_conversations(records: Sequence[Record], names: Mapping[str, str]) -> Shape | None:
    for name in names.values():
        if _share(records, name, _OPENAI) >= _MOST and any(r.get(name) for r in records):
            # TRL writes the turns and the answer into two columns
            answer = names.get("completion") if name.lower() == "prompt" else None
            keys: JsonValue = [name, answer] if answer else name
            reason = f"'{name}' holds lists of messages with role and content"
            return Shape("openai chat", {"messages": keys}, because=reason, columns=(name,))
        if _share(records, name, _SHAREGPT) >= _MOST and any(r.get(name) for r in records):
            keys = {"column": name, "role": "from", "content": "value"}
            reason = f"'{name}' holds lists of messages with from and value"
            return Shape("sharegpt", {"messages": keys}, because=reason, columns=(name,))
    return None


def _find_pairs(records: Sequence[Record], names: Mapping[str, str]) -> Shape | None:
    def holds_text(value: object) -> bool:
        return isinstance(value, str) and not is_number(value)

    here = [pair for pair in _PAIRS if set(pair) <= names.keys()]
    texts = [pair for pair in here
             if all(_share(records, names[one], holds_text) >= _MOST for one in pair)]  # fmt: skip
    if not texts:
        return None
    question, answer = texts[0]
    user: list[JsonValue] = [names[question]]
    is_alpaca = question == "instruction"
    if is_alpaca and "input" in names:
        user.append(names["input"])
    keys: dict[str, JsonValue] = {
        "user": user if len(user) > 1 else user[0],
        "assistant": names[answer],
    }
    if "system" in names or "system_prompt" in names:
        keys["system"] = names.get("system", names.get("system_prompt"))
    others = [pair for pair in texts[1:] if answer not in pair and question not in pair]
    said = "" if not others else f"{' and '.join(others[0])} are a pair too: name that one instead"
    return Shape(
        "alpaca" if is_alpaca else f"{question} and {answer}",
        {"messages": keys},
        "guess" if others else "certain",
        f"'{names[question]}' and '{names[answer]}' are a turn each",
        said,
        columns=(names[question], names[answer]),
    )


def _find_label_studio(records: Sequence[Record], names: Mapping[str, str]) -> Shape | None:
    if not {"data", "annotations"} <= set(names.values()):
        return None
    tasks = [r["data"] for r in records if isinstance(r.get("data"), Mapping)]
    text = _longest_key(tasks)
    if text is None:
        return None
    keys: dict[str, JsonValue] = {"text": f"data{_step(text)}"}
    for kind in ("choices", "labels", "text"):
        path = ("annotations", 0, "result", 0, "value", kind, 0)
        if any(isinstance(_follow(record, path), str) for record in records):
            keys["label"] = f"annotations[0].result[0].value.{kind}[0]"
            break
    return Shape("Label Studio", keys | _id_of(names), because="'data' beside 'annotations'")


def _find_argilla(records: Sequence[Record], names: Mapping[str, str]) -> Shape | None:
    asked = [name.removesuffix(".responses") for name in names.values()
             if name.endswith(".responses")]  # fmt: skip
    if not asked:
        return None
    suggested = names.get(f"{asked[0]}.suggestion".lower())
    fields = {
        name for name in names.values()
        if not any(name == one or name.startswith(f"{one}.") for one in asked)
    }  # fmt: skip
    text = _longest_key([{n: r[n] for n in fields if n in r} for r in records])
    if text is None:
        return None
    label = suggested or f"{asked[0]}.responses"
    keys: dict[str, JsonValue] = {"text": text, "label": label}
    said = f"the label is the suggestion of '{asked[0]}', the answers stay in {asked[0]}.responses"
    return Shape("Argilla", keys | _id_of(names), because=f"'{asked[0]}.responses'",
                 said=said if suggested else "")  # fmt: skip


def _find_prodigy(records: Sequence[Record], names: Mapping[str, str]) -> Shape | None:
    if not {"text", "answer"} <= set(names.values()):
        return None
    if not {str(r.get("answer")) for r in records if "answer" in r} <= _PRODIGY:
        return None
    keys: dict[str, JsonValue] = {"text": "text"}
    if "label" in names.values():
        keys["label"] = "label"
    elif any(isinstance(_follow(r, ("accept", 0)), str) for r in records):
        keys["label"] = "accept[0]"
    accepted: JsonValue = {"label": {"column": "answer", "one_of": ["accept"]}}
    return Shape("Prodigy", keys, because="'answer' holds accept, reject and ignore",
                 signals={"accepted": accepted})  # fmt: skip


def _find_pages(records: Sequence[Record], names: Mapping[str, str]) -> Shape | None:
    here = set(names.values())
    inside = next((n for n in ("metadata", "warc_headers", "meta") if n in here), None)
    if "text" not in here or not (inside or "url" in here):
        return None
    if inside and _share(records, inside, lambda value: isinstance(value, Mapping)) < _MOST:
        return None
    keys: dict[str, JsonValue] = {"text": "text"}
    paths: list[tuple[str, ...]] = [("id",), ("url",)]
    if inside:
        paths += [(inside, n) for n in ("id", "warc-record-id", "WARC-Record-ID", "url")]
    for path in paths:
        values = [_follow(record, path) for record in records]
        if None not in values and len({str(value) for value in values}) == len(values):
            keys["id"] = path[0] + "".join(map(_step, path[1:]))
            break
    return Shape("pages of a crawl", keys, because=f"'text' beside '{inside or 'url'}'")


def _find_long_table(records: Sequence[Record], names: Mapping[str, str]) -> Shape | None:
    """Tell a table of one message a row, which is read as it is."""
    speaker = next((names[n] for n in _SPEAKER if n in names), None)
    time = next((names[n] for n in _TIMES if n in names), None)
    if speaker is None or time is None:
        return None
    for low, name in names.items():
        values = [str(record[name]) for record in records if name in record]
        if low.endswith("id") and len(values) > 3 and 1 < len(set(values)) <= len(values) // 2:
            said = (
                f"'{name}' comes several times, beside '{speaker}' and '{time}': each row may be "
                "one message of a conversation, and is read as a text of its own"
            )
            return Shape("table of messages", {}, "guess", f"'{name}' repeats", said)
    return None


_LOOKS: Final = (
    _find_preference, _find_conversations, _find_label_studio, _find_argilla, _find_prodigy,
    _find_pairs, _find_pages, _find_long_table,
)  # fmt: skip


def _id_of(names: Mapping[str, str]) -> dict[str, JsonValue]:
    return {"id": names["id"]} if "id" in names else {}


def _longest_key(records: Sequence[Mapping[str, Any]]) -> str | None:
    """Return the key whose texts are the longest."""
    length: dict[str, int] = {}
    for record in records:
        for name, value in record.items():
            if isinstance(value, str):
                length[name] = length.get(name, 0) + len(value)
    return max(length, key=lambda name: length[name], default=None)


def _follow(record: object, path: Sequence[str | int]) -> object:
    for step in path:
        if isinstance(step, int):
            record = record[step] if isinstance(record, list) and len(record) > step else None
        else:
            record = record.get(step) if isinstance(record, Mapping) else None
    return record


def _step(name: str) -> str:
    """Write a step of a path as recipes do."""
    is_plain = not any(char in name for char in '.[]"')
    return f".{name}" if is_plain else f"[{json.dumps(name, ensure_ascii=False)}]"
