"""Data Docs that need no network, run no script and show every text as text.

Great Expectations' templates do not escape everything, load styles and scripts from public
hosts and fetch a remote logo. These classes stand in its configuration in place of its own, so
that whoever rebuilds the pages gets these. Characters with a meaning in HTML travel through the
templates as private-use stand-ins and become entities at the very end.
"""

from __future__ import annotations

import copy
import hashlib
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from functools import cache
from html import escape
from importlib.resources import files
from typing import Any, Final
from urllib.parse import quote

from great_expectations.core.expectation_suite import ExpectationSuite
from great_expectations.core.expectation_validation_result import (
    ExpectationSuiteValidationResult,
    expectationSuiteValidationResultSchema,
)
from great_expectations.render.renderer.page_renderer import (
    ExpectationSuitePageRenderer,
    ValidationResultsPageRenderer,
)
from great_expectations.render.renderer.site_index_page_renderer import SiteIndexPageRenderer
from great_expectations.render.view.view import DefaultJinjaIndexPageView, DefaultJinjaPageView

from siftset.pipeline.gate.gx.examples import flatten_text

STAND_INS: Final = {character: 0xE000 + i for i, character in enumerate("<>&\"'`${}")}
"""Characters of markup and of templates, and the private-use ones that carry them."""

_TAKEN: Final = dict.fromkeys(STAND_INS.values(), "?")
_HIDE: Final = {**_TAKEN, **{ord(character): chr(code) for character, code in STAND_INS.items()}}
_SHOW: Final = {code: f"&#{ord(character)};" for character, code in STAND_INS.items()}
_AS_WRITTEN: Final = ("operator", "type", "severity")
"""Keys whose values Great Expectations reads as names of its own."""

_SCRIPTS: Final = re.compile(r"<script\b.*?</script\s*>", re.IGNORECASE | re.DOTALL)
_STYLES: Final = re.compile(r"<style\b.*?</style\s*>", re.IGNORECASE | re.DOTALL)
_LOADED: Final = re.compile(r"<(?:link|img|iframe|base|meta)\b[^>]*>", re.IGNORECASE)
_HANDLER: Final = re.compile(r"\son[a-z]+\s*=\s*(\"[^\"]*\"|'[^']*'|[^\s>]+)", re.IGNORECASE)
_REMOTE: Final = re.compile(r"\s(?:href|src)=\"[^\"]*(?://|javascript:)[^\"]*\"", re.IGNORECASE)
_INLINE: Final = re.compile(r"\sstyle=\"[^\"]*\"", re.IGNORECASE)


def make_inert(value: Any) -> Any:  # noqa: ANN401  any JSON value
    """Return a value whose texts are flat, cut, and free of markup."""
    if isinstance(value, str):
        return str(flatten_text(value)).translate(_HIDE)
    if isinstance(value, Mapping):
        return {
            make_inert(key): each
            if key in _AS_WRITTEN and isinstance(each, str)
            else make_inert(each)
            for key, each in value.items()
        }
    return [make_inert(each) for each in value] if isinstance(value, list | tuple) else value


def make_offline(page: str) -> str:
    """Return a page with a style of our own, no script, and nothing from elsewhere."""
    for pattern in (_SCRIPTS, _STYLES, _LOADED, _HANDLER, _REMOTE, _INLINE):
        page = pattern.sub("", page)
    digest = b64encode(hashlib.sha256(_stylesheet().encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    head = (
        '<head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_stylesheet()}</style>"
    )
    return page.replace("<head>", head, 1).translate(_SHOW)


@cache
def _stylesheet() -> str:
    return files("siftset.data").joinpath("data_docs.css").read_text(encoding="utf-8")


class ResultsRenderer(ValidationResultsPageRenderer):
    """The page of one validation."""

    def render(self, validation_results: Any, suite_parameters: Any = None) -> Any:  # noqa: ANN401
        """Render the results with every text made inert."""
        data = make_inert(validation_results.to_json_dict())
        # The page names the data by a key that only older results had.
        named = data["meta"].get("active_batch_definition") or {}
        data["meta"]["batch_kwargs"] = {"data_asset_name": named.get("data_asset_name", "")}
        safe = expectationSuiteValidationResultSchema.load(data)
        assert isinstance(safe, ExpectationSuiteValidationResult)
        safe.meta["run_id"] = validation_results.meta["run_id"]
        return super().render(safe, suite_parameters)


class SuiteRenderer(ExpectationSuitePageRenderer):
    """The page of one suite."""

    def render(self, expectations: Any) -> Any:  # noqa: ANN401
        """Render the suite with every text made inert."""
        data = expectations if isinstance(expectations, dict) else expectations.to_json_dict()
        safe = ExpectationSuite(**make_inert(copy.deepcopy(data)))
        return super().render(safe)  # type: ignore[no-untyped-call]


class IndexRenderer(SiteIndexPageRenderer):
    """The page that lists the others."""

    @classmethod
    def render(cls, index_links_dict: Any) -> Any:  # noqa: ANN401
        """Render the list with every text made inert."""
        links = {
            key: make_links_inert(value) if key.endswith("_links") else value
            for key, value in index_links_dict.items()
            if key != "cta_object"
        }
        rendered = super().render(links)  # type: ignore[no-untyped-call]
        rendered.siftset_links = links
        return rendered


def make_links_inert(links: Any) -> Any:  # noqa: ANN401
    """Return links of the index whose texts are inert; their addresses stay."""
    if isinstance(links, list):
        return [make_links_inert(each) for each in links]
    if isinstance(links, dict):
        return {
            key: make_inert(value) if isinstance(value, str) and not key.endswith("path") else value
            for key, value in links.items()
        }
    return links


class PageView(DefaultJinjaPageView):
    """Makes a page of a result or a suite."""

    def render(self, document: Any, template: Any = None, **kwargs: Any) -> str:  # noqa: ANN401
        """Return the page, offline."""
        page = super().render(document, template, **kwargs)  # type: ignore[no-untyped-call]
        return make_offline(page)


class IndexView(DefaultJinjaIndexPageView):
    """Makes the page that lists the others."""

    def render(self, document: Any, template: Any = None, **kwargs: Any) -> str:  # noqa: ANN401
        """Return the page, offline; Great Expectations fills its lists by a script, we in place."""
        page = super().render(document, template, **kwargs)  # type: ignore[no-untyped-call]
        links = document.siftset_links
        results = [
            (
                each,
                f'<i class="fa-{"check" if each.get("validation_success") else "times"}"></i>',
                each.get("asset_name") or "",
                each.get("expectation_suite_name") or "",
                str(each.get("run_time") or ""),
            )
            for each in links.get("validations_links") or ()
        ]
        suites = [
            (each, each.get("expectation_suite_name") or "")
            for each in links.get("expectations_links") or ()
        ]
        tables = _render_table("Validation results", ("", "Data", "Suite", "Run"), results)
        tables += _render_table("Suites", ("Suite",), suites)
        return make_offline(page.replace("</body>", f"{tables}</body>"))


def _render_table(title: str, head: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> str:
    """Return a table whose last cell links to the page of its row; texts are inert already."""
    body = ""
    for link, *cells in rows:
        address = escape(quote(str(link.get("filepath") or "#")))
        told = "".join(f"<td>{cell}</td>" for cell in cells[:-1])
        body += f'<tr>{told}<td><a href="{address}">{cells[-1]}</a></td></tr>'
    names = "".join(f"<th>{name}</th>" for name in head)
    return f"<h2>{title}</h2><table><tr>{names}</tr>{body}</table>"


def site_config(base_directory: str) -> dict[str, Any]:
    """Return the configuration of a Data Docs site of these pages."""
    here = {"module_name": __name__}
    section = {"class_name": "DefaultSiteSectionBuilder"}
    view = {**here, "class_name": "PageView"}
    return {
        "class_name": "SiteBuilder",
        "show_how_to_buttons": False,
        "store_backend": {
            "class_name": "TupleFilesystemStoreBackend",
            "base_directory": base_directory,
        },
        "site_index_builder": {
            "class_name": "DefaultSiteIndexBuilder",
            "renderer": {**here, "class_name": "IndexRenderer"},
            "view": {**here, "class_name": "IndexView"},
        },
        "site_section_builders": {
            "expectations": {
                **section,
                "source_store_name": "expectations_store",
                "renderer": {**here, "class_name": "SuiteRenderer"},
                "view": view,
            },
            "validations": {
                **section,
                "source_store_name": "validation_results_store",
                "renderer": {**here, "class_name": "ResultsRenderer"},
                "view": view,
            },
            "profiling": "none",
        },
    }
