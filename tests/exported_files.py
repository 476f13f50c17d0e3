"""Files as programs export them: spreadsheets, databases, annotation tools, crawls, logs, dumps.

Each is a name, its bytes, and what of it is to be found: keys of the dialect, the columns, the
first text, the number of records and the line that `init` asks for, if any.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

OPENINGS = ("The lamp", "My kettle", "This drill", "Our sofa", "The blue coat", "A second chair")
MIDDLES = (
    "arrived late",
    "works well",
    "broke after a week",
    "is loud; too loud",
    "fits, at last",
    "looks like the picture",
)
YES = ("yes", "no")
NULL = "\\N"
ENDINGS = (
    "and we like it.",
    "but the box was torn.",
    "so I sent it back.",
    "as you said it would.",
)


class Export(NamedTuple):
    """A file, and what is to be found in it."""

    name: str
    content: bytes
    rows: int
    first: str
    """The text of the first record."""
    dialect: dict[str, Any] = {}  # noqa: RUF012
    columns: dict[str, Any] = {}  # noqa: RUF012
    shape: str = "table of texts"
    confidence: str = ""
    add: str = ""
    """The line that `init` asks for, as `--set` takes it."""


def texts(seed: str, count: int = 40) -> list[str]:
    draw = random.Random(seed)
    return [
        f"{draw.choice(OPENINGS)} {draw.choice(MIDDLES)}, order {n}, {draw.choice(ENDINGS)}"
        for n in range(1, count + 1)
    ]


def table(rows: Sequence[Sequence[object]], *, end: str = "\r\n", **options: Any) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator=end, **options).writerows(rows)
    return out.getvalue()


def lines(records: Sequence[object]) -> bytes:
    return "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in records).encode()


def excel_german() -> Export:
    said = [f"Größe {t}\nschön" for t in texts("de")]
    rows = [("Nr", "Datum", "Kommentar", "Note", "Preis")]
    rows += [(n, f"{n % 28 + 1:02}.05.2024", t, n % 5 + 1, f"{n},99") for n, t in enumerate(said)]
    content = table(rows, delimiter=";").encode("cp1252")
    return Export(
        "excel_german.csv",
        content,
        40,
        said[0],
        {"delimiter": ";", "encoding": "cp1252", "header": True},
        {"text": "Kommentar", "label": "Note"},
        confidence="guess",
    )


def excel_sep() -> Export:
    said = texts("sep")
    rows = [("Id", "Comment", "Rating"), *((n, t, n % 3) for n, t in enumerate(said))]
    content = b"\xef\xbb\xbfsep=;\r\n" + table(rows, delimiter=";").encode()
    return Export(
        "excel_sep.csv",
        content,
        40,
        said[0],
        {"delimiter": ";", "skip_lines": 1},
        {"text": "Comment", "label": "Rating", "id": "Id"},
    )


def excel_unicode() -> Export:
    said = [f"Gr\u00f6\u00dfe: {t}" for t in texts("utf16")]
    rows = [("Id", "Review", "Stars"), *((n, t, n % 5 + 1) for n, t in enumerate(said))]
    content = table(rows, delimiter="\t").encode("utf-16")
    return Export(
        "excel_unicode.txt",
        content,
        40,
        said[0],
        {"delimiter": "\t", "encoding": "utf-16", "header": True},
        {"text": "Review", "label": "Stars", "id": "Id"},
    )


def libreoffice() -> Export:
    said = [t.replace("box", "'box'") for t in texts("calc")]
    rows = [
        ("id", "text", "label"),
        *((n, t, "yes" if n % 3 else "no") for n, t in enumerate(said)),
    ]
    content = table(rows, quotechar="'", quoting=csv.QUOTE_ALL, end="\n").encode()
    return Export(
        "libreoffice.csv",
        content,
        40,
        said[0],
        {"delimiter": ",", "quote": "'"},
        {"text": "text", "label": "label", "id": "id"},
    )


def google_form() -> Export:
    said = texts("form")
    rows = [("Timestamp", "How was it, in your own words?", "Would you come again?")]
    rows += [
        (f"2024/05/{n % 28 + 1:02} 10:{n:02}:00", t, "Yes" if n % 2 else "No")
        for n, t in enumerate(said)
    ]
    return Export(
        "google_form.csv",
        table(rows).encode(),
        40,
        said[0],
        {"delimiter": ","},
        {"text": "How was it, in your own words?", "label": "Would you come again?"},
    )


def survey() -> Export:
    said = texts("survey")
    head = "Customer survey 2024\r\nExported on 2 May\r\n\r\n"
    rows = [("Respondent", "Comment", "Score"), *((n, t, n % 5) for n, t in enumerate(said))]
    content = (head + table(rows)).encode()
    return Export(
        "survey.csv",
        content,
        40,
        said[0],
        {"skip_lines": 3, "header": True},
        {"text": "Comment", "label": "Score"},
    )


def postgres() -> Export:
    said = [f"{t}\nSecond line\tand a tab" if n % 4 == 0 else t for n, t in enumerate(texts("pg"))]
    rows = [
        f"{n}\t{escape_copy(t)}\t{NULL if n % 3 else 'good'}\t2024-05-0{n % 9 + 1} 10:00:00"
        for n, t in enumerate(said)
    ]
    return Export(
        "postgres.tsv",
        ("\n".join(rows) + "\n").encode(),
        40,
        said[0],
        {"quote": "none", "escape": "\\", "header": False, "null_values": ["\\N"]},
        {"text": "column_2", "id": "column_1"},
    )


def escape_copy(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t")


def mysql_outfile() -> Export:
    said = [f"{t}\nno more" if n % 5 == 0 else t for n, t in enumerate(texts("my"))]
    rows = [
        f"{n}\t{NULL if n % 4 == 1 else n}\t" + t.replace("\n", "\\\n") for n, t in enumerate(said)
    ]
    return Export(
        "mysql_outfile.txt",
        ("\n".join(rows) + "\n").encode(),
        40,
        said[0],
        {"delimiter": "\t", "quote": "none", "escape": "\\", "header": False},
        {"text": "column_3", "id": "column_1"},
    )


def mysql_quoted() -> Export:
    said = [t.replace("box", '"box"') for t in texts("mq")]
    written = [t.replace('"', '\\"') for t in said]
    rows = [f'"{n}","{t}","{n % 2}"' for n, t in enumerate(written)]
    return Export(
        "mysql_quoted.csv",
        ("\n".join(rows) + "\n").encode(),
        40,
        said[0],
        {"quote": '"', "escape": "\\", "header": False},
        {"text": "column_2", "label": "column_3", "id": "column_1"},
    )


def sqlite_list() -> Export:
    said = [t.replace("|", "/") for t in texts("lite")]
    rows = ["id|body|stars", *(f"{n}|{t}|{n % 5}" for n, t in enumerate(said))]
    return Export(
        "sqlite_list.txt",
        ("\n".join(rows) + "\n").encode(),
        40,
        said[0],
        {"delimiter": "|", "header": True},
        {"text": "body", "label": "stars", "id": "id"},
    )


def sql_server() -> Export:
    said = texts("ms")
    rows = [("TicketId", "Message", "ClosedAt", "Priority")]
    rows += [(n, t, "NULL" if n % 2 else "2024-05-01", n % 3) for n, t in enumerate(said)]
    content = b"\xef\xbb\xbf" + table(rows).encode()
    return Export(
        "sql_server.csv",
        content,
        40,
        said[0],
        {"null_values": ["", "NULL"], "encoding": "utf-8"},
        {"text": "Message", "label": "Priority"},
    )


def r_table() -> Export:
    said = texts("r")
    rows = [f'"{n}"\t"{t}"\t{"NA" if n % 4 == 0 else n % 5}' for n, t in enumerate(said, 1)]
    content = "\n".join(['"text"\t"score"', *rows]) + "\n"
    return Export(
        "r_table.tsv",
        content.encode(),
        40,
        said[0],
        {
            "header": False,
            "skip_lines": 1,
            "columns": ["row", "text", "score"],
            "null_values": ["", "NA"],
        },
        {"text": "text", "label": "score"},
    )


def pandas_index() -> Export:
    said = texts("pd")
    rows = [("", "0", "1"), *((n, t, n % 2) for n, t in enumerate(said))]
    return Export(
        "pandas_index.csv",
        table(rows, end="\n").encode(),
        40,
        said[0],
        {"header": True},
        {"text": "0", "label": "1", "id": "column_1"},
    )


def tweets_headerless() -> Export:
    said = [f"@shop caf\u00e9 {t}" for t in texts("s140")]
    date, query = "Mon Apr 06 22:19:45 PDT 2009", "NO_QUERY"
    rows = [
        ("4" if n % 2 else "0", 1467810369 + n, date, query, "ann", t) for n, t in enumerate(said)
    ]
    content = table(rows, quoting=csv.QUOTE_ALL, end="\n").encode("cp1252")
    return Export(
        "tweets_headerless.csv",
        content,
        40,
        said[0],
        {"header": False, "encoding": "cp1252"},
        {"text": "column_6", "label": "column_1"},
        confidence="guess",
    )


def anki() -> Export:
    said = texts("anki")
    rows = [f"What of {n}?\t{t}\tshop" for n, t in enumerate(said)]
    head = "#separator:tab\n#html:true\n#tags column:3\n"
    return Export(
        "anki.txt",
        (head + "\n".join(rows) + "\n").encode(),
        40,
        said[0],
        {"delimiter": "\t", "comment": "#", "header": False},
        {"text": "column_2"},
    )


def ragged() -> Export:
    said = texts("rag", 100)
    rows = ["id;text;stars", *(f"{n};{t.replace(';', ',')};{n % 5}" for n, t in enumerate(said))]
    for at in (20, 40, 60):
        rows[at] += ";further"
    return Export(
        "ragged.csv",
        ("\n".join(rows) + "\n").encode(),
        100,
        said[0].replace(";", ","),
        {"delimiter": ";"},
        {"text": "text", "label": "stars", "id": "id"},
        add="max_unreadable_share=0.1",
    )


def application_log() -> Export:
    said = [
        f"2024-05-01 10:00:{n:02},{n * 7:03} INFO [worker-{n % 3}] {t}"
        for n, t in enumerate(texts("log"))
    ]
    return Export(
        "application.log",
        ("\n".join(said) + "\n").encode(),
        40,
        said[0],
        {"format": "lines"},
        {"text": "text"},
    )


def label_studio() -> Export:
    said = texts("ls")
    tasks = [
        {
            "id": n,
            "data": {"text": t, "file": f"{n}.txt"},
            "annotations": [
                {
                    "id": n,
                    "result": [
                        {
                            "from_name": "s",
                            "type": "choices",
                            "value": {"choices": ["good" if n % 2 else "bad"]},
                        }
                    ],
                }
            ],
        }
        for n, t in enumerate(said)
    ]
    return Export(
        "label_studio.json",
        json.dumps(tasks).encode(),
        40,
        said[0],
        {"format": "json"},
        {"text": "data.text", "id": "id", "label": "annotations[0].result[0].value.choices[0]"},
        "Label Studio",
    )


def argilla() -> Export:
    said = texts("arg")
    records = [
        {
            "id": f"r{n}",
            "status": "completed",
            "text": t,
            "label.responses": ["good"],
            "label.responses.users": ["ann"],
            "label.suggestion": "good" if n % 2 else "bad",
            "label.suggestion.score": 0.5,
        }
        for n, t in enumerate(said)
    ]
    return Export(
        "argilla.jsonl",
        lines(records),
        40,
        said[0],
        {"format": "jsonl"},
        {"text": "text", "label": "label.suggestion", "id": "id"},
        "Argilla",
    )


def prodigy() -> Export:
    said = texts("prod")
    records = [
        {
            "text": t,
            "_input_hash": n,
            "_task_hash": -n,
            "label": "PRAISE",
            "score": 0.5,
            "answer": ("accept", "reject", "ignore")[n % 3],
        }
        for n, t in enumerate(said)
    ]
    return Export(
        "prodigy.jsonl",
        lines(records),
        40,
        said[0],
        {"format": "jsonl"},
        {"text": "text", "label": "label"},
        "Prodigy",
    )


def crawl() -> Export:
    said = texts("crawl")
    records = [
        {
            "text": t,
            "id": f"<urn:uuid:{n:032x}>",
            "metadata": {"url": f"https://example.org/{n}", "dump": "CC-MAIN-2024-10"},
        }
        for n, t in enumerate(said)
    ]
    return Export(
        "crawl.jsonl.gz",
        gzip.compress(lines(records)),
        40,
        said[0],
        {"format": "jsonl"},
        {"text": "text", "id": "id"},
        "pages of a crawl",
    )


def reddit() -> Export:
    said = texts("rd")
    records = [
        {
            "id": f"k{n}",
            "author": f"user{n}",
            "body": t,
            "subreddit": "shops",
            "score": n * 3,
            "created_utc": 1714557600 + n,
            "edited": False,
            "link_id": f"t3_{n % 4}",
        }
        for n, t in enumerate(said)
    ]
    return Export(
        "reddit.ndjson",
        lines(records),
        40,
        said[0],
        {"format": "jsonl"},
        {"text": "body", "id": "id"},
    )


def bigquery() -> Export:
    said = texts("bq")
    records = [
        {"row_id": str(n), "comment": t, "sentiment": "neg" if n % 2 else "pos"}
        for n, t in enumerate(said)
    ]
    return Export(
        "bigquery.json",
        lines(records),
        40,
        said[0],
        {"format": "jsonl"},
        {"text": "comment", "label": "sentiment", "id": "row_id"},
    )


MAKERS: tuple[Callable[[], Export], ...] = (
    excel_german,
    excel_sep,
    excel_unicode,
    libreoffice,
    google_form,
    survey,
    postgres,
    mysql_outfile,
    mysql_quoted,
    sqlite_list,
    sql_server,
    r_table,
    pandas_index,
    tweets_headerless,
    anki,
    ragged,
    application_log,
    label_studio,
    argilla,
    prodigy,
    crawl,
    reddit,
    bigquery,
)
