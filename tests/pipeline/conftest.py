"""Texts that attack pages, a server that hears what is posted, and a tiny model."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

PAYLOADS = (
    "<script>document.title='owned'</script>",
    "<img src=x onerror=\"document.title='owned'\">",
    '"><svg onload="document.title=\'owned\'">',
    '\'><iframe src="https://evil.example/"></iframe>',
    "</title><script>document.title='owned'</script>",
    "</style><script>document.title='owned'</script>",
    "</svg></table><body onload=document.title='owned'>",
    "javascript:document.title='owned'",
    "java\nscript:alert(1)",
    '<a href="javascript:alert(1)">x</a><link rel=stylesheet href=https://evil.example/x.css>',
    "<meta http-equiv=refresh content='0;url=https://evil.example/'>",
    "<base href=https://evil.example/><style>@import 'https://evil.example/y.css';</style>",
    "{{7*7}}${7*7}<!--",
    "]]>-->",
    "\u202eevil\u2066\x00\x07\x1b[31m\ud800",
    "&lt;b&gt;&#x3c;script>",
)


@pytest.fixture(scope="session")
def payloads() -> tuple[str, ...]:
    return PAYLOADS


class Listener:
    """What was posted to an address of this machine, and how posts are answered."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.status = 200
        self.bodies: list[dict] = []
        self.authorizations: list[str] = []


@pytest.fixture
def listener():
    """A server that hears what is posted; one that answers 302 sends on to an address beside it."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            heard.bodies.append(json.loads(body))
            heard.authorizations.append(self.headers.get("Authorization", ""))
            self.send_response(heard.status)
            if heard.status == 302:
                self.send_header("Location", "http://127.0.0.1:1/elsewhere")
            self.end_headers()

        def log_message(self, *args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    heard = Listener(server.server_port)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield heard
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a tiny BERT with random weights and words of its own."""
    torch = pytest.importorskip("torch")
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import BertConfig, BertForMaskedLM, PreTrainedTokenizerFast

    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words = "the a is was and or but soft warm light good great strong shoe hat bag more".split()
    made = Tokenizer(models.WordLevel({w: i for i, w in enumerate([*names, *words])}, "[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    special = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=made, model_max_length=64, **dict(zip(special, names, strict=True))
    )
    folder = tmp_path_factory.mktemp("models") / "bert"
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(names) + len(words), hidden_size=32, num_hidden_layers=1,
        num_attention_heads=2, intermediate_size=32, max_position_embeddings=64,
    )  # fmt: skip
    BertForMaskedLM(config).save_pretrained(folder)
    return folder
