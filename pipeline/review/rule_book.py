"""The rules that were last proposed in a review, and what becomes of them."""

from __future__ import annotations

from pydantic import JsonValue

from siftset.pipeline.review.columns import Mask
from siftset.pipeline.review.propose import Rule, propose_rules
from siftset.pipeline.review.rows import ReviewRows
from siftset.pipeline.review.write_rule import describe_rule, preview_rule, write_rule


class RuleBook:
    """Proposes rules for chosen rows, and writes one of them into the recipe."""

    def __init__(self, rows: ReviewRows) -> None:
        self.rows = rows
        self._rules: list[Rule] = []
        self._chosen = 0

    def propose(self, chosen: Mask) -> dict[str, JsonValue]:
        """Return rules that find chosen rows again, the best first."""
        self._rules, self._chosen = propose_rules(self.rows, chosen), int(chosen.sum())
        rules: list[JsonValue] = [
            {
                "id": number,
                "kind": rule.candidate.kind,
                "title": rule.candidate.title,
                "precision": rule.precision,
                "recall": rule.recall,
                "rows": rule.rows,
                "yaml": describe_rule(rule, self.rows.loaded),
            }
            for number, rule in enumerate(self._rules)
        ]
        return {"chosen": self._chosen, "rules": rules}

    def write(self, number: int, before: str | None) -> dict[str, JsonValue]:
        """Return how the recipe would read with a rule; with `before`, write it.

        Raises ValueError for a rule that is no longer proposed, RecipeError where the recipe cannot
        hold it or was changed since.
        """
        if not 0 <= number < len(self._rules):
            raise ValueError("that rule is no longer proposed: ask again")
        rule, loaded = self._rules[number], self.rows.loaded
        if before is None:
            shown = preview_rule(rule, loaded, self._chosen)
        else:
            shown = write_rule(rule, loaded, self._chosen, before)
        return {"file": shown.file, "before": shown.before, "diff": [*shown.diff]}
