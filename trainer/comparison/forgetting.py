"""What a classifier forgot of language: its encoder under the head for words of its base model."""

from __future__ import annotations

from dataclasses import dataclass

from siftset.schemas.errors import ModelError
from siftset.schemas.recipe.train import Train
from siftset.schemas.results.comparison import Forgetting
from siftset.schemas.tasks import TASKS, TaskName
from siftset.trainer.comparison import ComparisonSetting, QuestionSet
from siftset.trainer.comparison.compare_mlm import general_rows
from siftset.trainer.comparison.held_out import judge_forgetting
from siftset.trainer.inference.load_model import wrap_model
from siftset.trainer.metrics.bootstrap import Array
from siftset.trainer.models.loading import Loaded, load


@dataclass(frozen=True, slots=True)
class _LanguageProbe:
    """The base model with its head for words."""

    loaded: Loaded
    task: TaskName
    length: int

    def score_general(self, questions: QuestionSet) -> Array:
        """Return summed loss and tokens of every general text."""
        from siftset.trainer.inference.adapters import MaskedLM
        from siftset.trainer.inference.generate import CausalLM

        model = wrap_model(self.loaded, self.task, self.length)
        rows = general_rows(questions)
        texts, keys = rows["text"].to_list(), rows["row_id"].to_list()
        if isinstance(model, MaskedLM):
            return model.score_masked(texts, keys, questions.seed)
        assert isinstance(model, CausalLM)
        return model.text_loss(texts)

    def take_weights(self, trained: Loaded) -> None:
        """Take over what the trained encoder shares with this one."""
        own = self.loaded.model.base_model
        mine = own.state_dict()
        learned = trained.model.base_model.state_dict()
        same = {n: w for n, w in learned.items() if n in mine and w.shape == mine[n].shape}
        own.load_state_dict(same, strict=False)


def measure_forgetting(
    config: Train, trained: Loaded, questions: QuestionSet, setting: ComparisonSetting
) -> Forgetting | None:
    """Measure how much worse general text is predicted through a trained classifier's encoder.

    Nothing without general text. A base model whose files hold no head for words cannot be asked.
    """
    if not questions.general:
        return None
    limit = setting.compare.max_general_ppl_increase
    probe = _load_language_probe(config)
    if probe is None:
        note = f"not measured: '{config.model}' has no trained head for words to ask through"
        return Forgetting(limit=limit, note=note)
    before = probe.score_general(questions)
    probe.take_weights(trained)
    after = probe.score_general(questions)
    bootstrap = setting.make_bootstrap(questions.seed, general_rows(questions))
    found = judge_forgetting(None, (before, after), bootstrap, limit)
    note = "measured through the head for words of the base model, on the classifier's encoder"
    return found.model_copy(update={"note": note})


def _load_language_probe(config: Train) -> _LanguageProbe | None:
    for task in (name for name, facts in TASKS.items() if not facts.labelled):
        try:
            loaded = load(task, config.model, revision=config.revision)
        except ModelError:
            continue
        if not loaded.untrained_head:
            return _LanguageProbe(loaded, task, config.max_length)
    return None
