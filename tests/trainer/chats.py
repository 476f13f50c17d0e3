"""Tokenizers of three kinds, five chat templates and random conversations, all made here."""

from __future__ import annotations

import random
from typing import Any, Final

SPECIALS: Final = (
    "<unk>", "<s>", "</s>", "<|im_start|>", "<|im_end|>", "<|start_header_id|>",
    "<|end_header_id|>", "<|eot_id|>", "<start_of_turn>", "<end_of_turn>",
)  # fmt: skip
TEXTS: Final = (
    "the coat is warm and dry . ask us about sizes , colours and returns !",
    "Where is my order ? It left on Monday ; two boxes , one invoice .",
    "def add(a, b):\n    return a + b\n\nprint(add(1, 2))",
    "naïve café — straße 靴 下 🙂 user assistant system model INST",
)
CHATML: Final = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
MARKED: Final = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' }}"
    "{% if m['role'] == 'assistant' %}{% generation %}{{ m['content'] + '<|im_end|>' }}"
    "{% endgeneration %}{% else %}{{ m['content'] + '<|im_end|>' }}{% endif %}{{ '\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
LLAMA: Final = (
    "{{ bos_token }}{% for m in messages %}{{ '<|start_header_id|>' + m['role'] + "
    "'<|end_header_id|>\n\n' + m['content'] | trim + '<|eot_id|>' }}{% endfor %}"
    "{% if add_generation_prompt %}"
    "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
MISTRAL: Final = (
    "{{ bos_token }}{% for m in messages %}"
    "{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate user/assistant') }}{% endif %}"
    "{% if m['role'] == 'user' %}{{ '[INST] ' + m['content'] + ' [/INST]' }}"
    "{% else %}{{ ' ' + m['content'] | trim + eos_token }}{% endif %}{% endfor %}"
)
GEMMA: Final = (
    "{{ bos_token }}{% if messages and messages[0]['role'] == 'system' %}"
    "{{ raise_exception('System role not supported') }}{% endif %}{% for m in messages %}"
    "{% set role = 'model' if m['role'] == 'assistant' else m['role'] %}"
    "{{ '<start_of_turn>' + role + '\n' + m['content'] | trim + '<end_of_turn>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)
THINKING: Final = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' }}"
    "{% if m['role'] == 'assistant' and loop.last %}{{ '(thought) ' }}{% endif %}"
    "{{ m['content'] + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
"""Shows the last answer in another way than those before it."""
TEMPLATES: Final = {
    "chatml": CHATML, "marked": MARKED, "llama": LLAMA, "mistral": MISTRAL, "gemma": GEMMA,
}  # fmt: skip
KINDS: Final = ("bytes", "bytes trimmed", "wordpiece", "unigram")


def make_tokenizer(kind: str) -> Any:
    """Return a fast tokenizer of a kind, trained on the texts above."""
    from tokenizers import (
        Tokenizer,
        decoders,
        models,
        normalizers,
        pre_tokenizers,
        processors,
        trainers,
    )
    from transformers import PreTrainedTokenizerFast

    texts = [*TEXTS] * 3
    specials = list(SPECIALS)
    if kind.startswith("bytes"):
        made = Tokenizer(models.BPE())
        made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        made.post_processor = processors.ByteLevel(trim_offsets=kind.endswith("trimmed"))
        made.decoder = decoders.ByteLevel()
        trainer: Any = trainers.BpeTrainer(
            vocab_size=420,
            special_tokens=specials,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        )
    elif kind == "wordpiece":
        made = Tokenizer(models.WordPiece(unk_token="<unk>"))
        made.normalizer = normalizers.Lowercase()
        made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        made.decoder = decoders.WordPiece()
        trainer = trainers.WordPieceTrainer(vocab_size=300, special_tokens=specials)
    else:
        made = Tokenizer(models.Unigram())
        made.pre_tokenizer = pre_tokenizers.Metaspace()
        made.decoder = decoders.Metaspace()
        trainer = trainers.UnigramTrainer(
            vocab_size=260, special_tokens=specials, unk_token="<unk>", show_progress=False
        )
    trainer.show_progress = False
    made.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
        extra_special_tokens=list(SPECIALS[3:]),
    )


def random_turns(draw: random.Random, *, system: bool) -> list[dict[str, Any]]:
    """Return a stored conversation of 1 to 5 exchanges; some answers are not to be learned."""

    def words() -> str:
        pool = " ".join(TEXTS).split(" ")
        said = draw.choice([" ", "\n", "  "]).join(draw.choices(pool, k=draw.randint(1, 12)))
        return draw.choice(["", " ", "\n"]) + said + draw.choice(["", " ", "!\n"])

    turns: list[dict[str, Any]] = []
    if system and draw.random() < 0.5:
        turns.append({"role": "system", "content": words(), "extra": None})
    for _ in range(draw.randint(1, 5)):
        turns.append({"role": "user", "content": words(), "extra": None})
        weight = draw.choice([None, None, '{"weight":0}', '{"weight":1}'])
        turns.append({"role": "assistant", "content": words(), "extra": weight})
    return turns
