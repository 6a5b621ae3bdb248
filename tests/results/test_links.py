"""Relative links of all Markdown files lead to a file and a heading; Sphinx sees only docs/."""

import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *ROOT.glob(".github/**/*.md"),
        *(page for page in ROOT.glob("docs/**/*.md") if "_build" not in page.parts),
    ]
)
FENCE = re.compile(r"^(```+).*?^\1", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`\n]+`")
LINK = re.compile(r"!?\[(?:[^][]|\[[^][]*\])*\]\((?!\w+:)([^()\s]+)\)")  # without a scheme
HEADING = re.compile(r"^#+ +(.*)$", re.MULTILINE)
TARGET = re.compile(r"^\(([\w-]+)\)=$", re.MULTILINE)  # MyST's


def links(text):
    return LINK.findall(CODE.sub("", FENCE.sub("", text)))


def anchors(text):
    """What GitHub and MyST name the headings of a page, and MyST's own targets."""
    found, seen = set(TARGET.findall(text)), Counter()
    for heading in HEADING.findall(FENCE.sub("", text)):
        slug = re.sub(r"[^\w\- ]", "", re.sub(r"\]\(.*?\)", "", heading).lower()).replace(" ", "-")
        found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return found


def leads_somewhere(link, page):
    path, _, anchor = link.partition("#")
    file = page.parent / path if path else page
    return file.exists() and (not anchor or anchor in anchors(file.read_text(encoding="utf-8")))


def broken(page):
    found = links(page.read_text(encoding="utf-8"))
    return [link for link in found if not leads_somewhere(link, page)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_resolves(page):
    assert broken(page) == []


def test_broken_links_are_found(tmp_path):
    (tmp_path / "other.md").write_text(
        "# A `first` step, and more\n\n(own)=\n\n## Twice\n## Twice\n"
    )
    page = tmp_path / "page.md"
    page.write_text(
        "[a](other.md), [b](other.md#a-first-step-and-more), [c](other.md#twice-1) "
        "![d [1]](gone.png) [e](other.md#twice-2) [f](#here) [own](other.md#own)\n"
        "`[g](code.md)` [h](https://example.org/x.md)\n\n```\n[i](fence.md)\n```\n\n# There\n"
    )
    assert broken(page) == ["gone.png", "other.md#twice-2", "#here"]
