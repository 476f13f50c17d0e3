from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siftset.schemas.errors import FormulaError
from siftset.signals.formula.formula import MAX_LENGTH, Formula, parse
from siftset.signals.formula.tree import (
    AskSignal,
    FillUnknown,
    Node,
    Not,
    Test,
    canonical,
    join,
    show,
)

NAMES = st.sampled_from(["a", "b", "c", "nike", "spam_2"])
TESTS = st.builds(
    Test,
    st.sampled_from(["<", "<=", ">", ">=", "==", "!="]),
    st.one_of(st.integers(-5, 5).map(float), st.floats(allow_nan=False, allow_infinity=False)),
).filter(lambda test: abs(test.value) <= 1e300)
LEAVES = st.builds(AskSignal, NAMES, st.none(), st.none() | TESTS)


def _grow(children: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    joined = st.builds(
        lambda symbol, terms: join(symbol, *terms),
        st.sampled_from(["&", "|", "^"]),
        st.lists(children, min_size=2, max_size=4),
    )
    return joined | st.builds(Not, children) | st.builds(FillUnknown, children, st.booleans())


TREES = st.recursive(LEAVES, _grow, max_leaves=12)


@given(TREES)
def test_printing_and_parsing_give_the_same_tree(tree):
    assert parse(show(tree)).root == tree


@given(TREES)
def test_the_canonical_form_is_stable(tree):
    once = canonical(tree)
    assert canonical(once) == once
    assert parse(show(once)).hash == Formula(tree).hash


@given(TREES, st.randoms())
def test_equal_formulas_share_a_hash(tree, random):
    assert Formula(_shuffled(tree, random)).hash == Formula(tree).hash


def _shuffled(node, random):
    if isinstance(node, AskSignal):
        return node
    if isinstance(node, Not):
        return Not(_shuffled(node.term, random)) if random.random() < 0.5 else Not(Not(node))
    if isinstance(node, FillUnknown):
        return FillUnknown(_shuffled(node.term, random), node.value)
    terms = [_shuffled(term, random) for term in node.terms]
    random.shuffle(terms)
    if node.symbol != "^":
        terms.append(terms[0])
    return join(node.symbol, *terms)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("a & b", "b & a"),
        ("(a & b) & c", "a & (c & b)"),
        ("a | a", "a"),
        ("~~a", "a"),
        ("s >= 1", "1.0 <= s"),
        ("(b & c | c & b) & a", "a & b & c"),
        ("keyword(words=['x'], case=True)", "keyword(case=True, words=('x',))"),
    ],
)
def test_these_are_equal(left, right):
    assert parse(left).hash == parse(right).hash


@pytest.mark.parametrize(
    ("left", "right"), [("a & b", "a | b"), ("a", "~a"), ("a ^ a", "a"), ("s > 1", "s >= 1")]
)
def test_these_differ(left, right):
    assert parse(left).hash != parse(right).hash


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a and not b", "write  a & ~b"),
        ("a or b and c", "write  a | b & c"),
        ("a and b >= .5", "write  a & (b >= 0.5)"),
        ("a & b >= .5", "write  a & (b >= 0.5)"),
        ("s >= 0.05 & a | t > 3", "write  (s >= 0.05) & a | (t > 3)"),
        ("a > 1 & b < 2", "write  (a > 1) & (b < 2)"),
        ("(a & b) >= 2", "needs parentheses"),
        ("a & not b", "'not' is not an operator"),
        ("a && b", "write &"),
        ("!a", "write ~"),
        ("", "empty"),
        ("  \n", "empty"),
        ("a &", "not readable"),
        ("a\0b", "not readable"),
        ("a.b", "not allowed: a.b"),
        ("a + 1", "arithmetic"),
        ("a > b", "compared with a number"),
        ("a is b", "compared with a number"),
        ("0.1 < a < 1", "one comparison at a time"),
        ("1", "not allowed: 1"),
        ("True", "not allowed"),
        ("lambda: a", "not allowed"),
        ("a if b else c", "not allowed"),
        ("[a for a in b]", "not allowed"),
        ("a.fill(1)", "True or False"),
        ("a.mean()", "not allowed"),
        ("f(**x)", "no **"),
        ("f(a, b)", "column's name"),
        ("f(x=g())", "a keyword takes"),
        ("f(x={'a': 1})", "a keyword takes"),
        ("a >= 1e999", "compared with a number"),
        ("\ufb01", "plain letters"),
        ("(a := b)", "not allowed"),
    ],
)
def test_what_is_no_formula_says_what_to_write(text, message):
    with pytest.raises(FormulaError) as caught:
        parse(text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "(" * 9_000 + "a" + ")" * 9_000,
        "(" * 10_000 + "a" + ")" * 10_000,
        "~" * 10_000 + "a",
        "~ " * 9_000 + "a",
        "~(" * 4_000 + "a" + ")" * 4_000,
        "not " * 4_000 + "a",
        "a" * 1_000_000,
        "a & " * 300_000 + "a",
        "a&" * 9_000 + "a",
        "a.fill(True)" + ".fill(True)" * 1_500,
        "[" * 9_000,
    ],
)
def test_a_huge_formula_is_refused_in_one_line(text):
    with pytest.raises(FormulaError) as caught:
        parse(text)
    assert len(str(caught.value)) < 300
    assert "\n" not in str(caught.value)


def test_a_thousand_terms_are_fine():
    formula = parse(" | ".join(f"s{number}" for number in range(1_000)))
    assert len(formula.names) == 1_000
    assert len(formula.text) < MAX_LENGTH


def test_an_unknown_name_is_suggested():
    with pytest.raises(FormulaError, match=r"'nkie' \(did you mean 'nike'\?\)"):
        parse("nkie & spam").check({"nike", "spam"})


def test_inline_signals_have_names_and_specs():
    formula = parse("is_null(title) & keyword(words=['x'], match='prefix')")
    first, second = formula.calls.values()
    assert first.spec == {"is_null": {"column": "title"}}
    assert second.spec == {"keyword": {"match": "prefix", "words": ["x"]}}
    assert all(name.isidentifier() for name in formula.names)
