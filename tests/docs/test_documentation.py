"""The documentation: links resolve, commands exist, and the words are those of the project."""

from __future__ import annotations

import io
import pkgutil
import re
import shlex
from collections.abc import Iterator
from contextlib import redirect_stdout, suppress
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

import infogan
from infogan.cli import _parser
from infogan.config import Config
from infogan.errors import UsageError
from infogan.presets import PRESETS

ROOT = Path(__file__).parents[2]
LAB_NOTES = ROOT / "docs" / "lab-notes"
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
"""Every page of the documentation."""

CURRENT_PAGES = [path for path in PAGES if LAB_NOTES not in path.parents]
"""Pages about the package as it is. Lab notes may name commands and settings of older versions."""

SOURCES = sorted(
    [
        *(path for ending in ("py", "html", "js") for path in (ROOT / "src").rglob(f"*.{ending}")),
        *ROOT.glob("benchmarks/*.py"),
        *ROOT.glob("examples/*.ipynb"),
        *ROOT.glob("examples/*.py"),
    ]
)
"""Files with names, comments, docstrings, messages and texts of pages."""

KEPT = {
    "paper_figures.py": ("beside", "are no colours"),  # in keys and statements of docs/results
    "meshes.py": ("read off",),  # reads OFF files
}
"""Phrases that stay, by the name of the file."""

PHRASES = {
    r"(is|are) told": "logged, reported, receives",
    r"held against": "compared with",
    r"moved cop(y|ies)": "augmented view",
    r"anew": "again, fresh",
    r"likewise": "also, in the same way",
    r"beside": "compared with, next to, in addition to",
    r"mend(s|ed|ing)?": "repair",
    r"in the small": "a smoke test",
    r"so many": "N, the number of",
    r"(go|goes|going|gone|went) on with": "resume",
    r"(read|reads|reading) off": "predict, encode",
    r"spoil(s|t|ed)": "corrupt",
    r"nobody": "no user, nothing",
    r"whoever": "code that, users who",
    r"by luck": "in k of n seeds",
    r"makes? of (an|all|the) images?": "predicts for, encodes",
    r"all the same": "nevertheless, still",
    r"(?<!there )(is|are) no (?!longer\b|better\b|more\b|less\b)\w+": "is not a",
}
"""Phrases that sound odd in a manual, as regular expressions, with what to write instead."""

BANNED = re.compile(rf"\b({'|'.join(PHRASES)})\b", re.IGNORECASE)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*$", re.MULTILINE)


def name_of(path: Path) -> str:
    """Return a path below the repository, as the name of a test case."""
    return str(path.relative_to(ROOT))


def anchors(page: Path) -> set[str]:
    """Return the anchors of a Markdown page: its headings as GitHub names them, and explicit ids."""
    text = page.read_text(encoding="utf-8")
    slugs = {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in HEADING.findall(FENCE.sub("", text))
    }
    return slugs | set(re.findall(r'<a id="([^"]+)"', text))


def links(page: Path) -> list[str]:
    """Return the targets of the relative links and images of a page."""
    targets = LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8")))
    return [target for target in targets if not target.startswith(("http://", "https://", "mailto:"))]


def commands(page: Path) -> Iterator[list[str]]:
    """Yield the words of each infogan command in the code blocks of a page."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    for line in text.splitlines():
        match = re.match(r"^\s*(?:\$ )?(infogan\s.*)$", line)
        if match and (line.startswith("    ") or line.startswith(("infogan", "$ infogan"))):
            yield from (shlex.split(part, comments=True) for part in match[1].split(" ; "))


@cache
def help_of(command: tuple[str, ...]) -> str:
    """Return the help text of a command."""
    with redirect_stdout(io.StringIO()) as shown, suppress(SystemExit):
        _parser().parse_args([*command, "--help"])
    return shown.getvalue()


def phrases(text: str) -> list[str]:
    """Return the phrases of a text that should be replaced, each with a better one."""
    plain = " ".join(text.split())
    found = []
    for match in BANNED.finditer(plain):
        better = next(b for phrase, b in PHRASES.items() if re.fullmatch(phrase, match[0], re.IGNORECASE))
        found.append(f"{plain[max(0, match.start() - 30) : match.end() + 30]!r}: write {better}")
    return found


def prose(source: str) -> str:
    """Return a source with the parts of strings and comments joined over lines, and names as words."""
    return re.sub(r"""["']?\s*\n\s*(#|f?["'])?""", " ", source).replace("_", " ")


def test_the_readme_has_at_most_100_lines() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 100


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_relative_links_resolve(page: Path) -> None:
    broken = []
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_code_blocks_are_closed(page: Path) -> None:
    fences = [line for line in page.read_text(encoding="utf-8").splitlines() if "```" in line]
    assert len(fences) % 2 == 0 and all(re.fullmatch(r"\s*```\w*", fence) for fence in fences)


@pytest.mark.parametrize("page", CURRENT_PAGES, ids=name_of)
def test_commands_exist_with_the_flags_that_are_shown(page: Path) -> None:
    for words in commands(page):
        command = tuple(words[1:3] if words[1] == "data" else words[1:2])
        if command[0].startswith("-"):
            continue
        known = set(re.findall(r"--[a-z][a-z-]*", help_of(command)))
        used = {word.partition("=")[0] for word in words if word.startswith("--")}
        assert used <= known | {"--help"}, words


@pytest.mark.parametrize("page", CURRENT_PAGES, ids=name_of)
def test_commands_are_accepted_by_the_parser(page: Path) -> None:
    """Names of values in capital letters, such as N in `--seed N`, stand for a number."""
    refused = []
    for words in commands(page):
        given = ["1" if re.fullmatch(r"N|DAYS|MINUTES|PORT|K", word) else word for word in words[1:]]
        given = given[: next((n for n, word in enumerate(given) if word in (">", "|", "&&")), None)]
        try:
            _parser().parse_args(given)
        except UsageError as error:
            refused.append(f"{shlex.join(words)}: {error.happened}")
        except SystemExit:  # --help and --version
            pass
    assert refused == []


@pytest.mark.parametrize("page", CURRENT_PAGES, ids=name_of)
def test_presets_that_commands_train_exist(page: Path) -> None:
    named = [words[2] for words in commands(page) if words[1] == "train" and not words[2].startswith("-")]
    presets = {name for name in named if re.fullmatch("[a-z0-9-]+", name)}
    assert presets <= set(PRESETS)


@pytest.mark.parametrize("page", CURRENT_PAGES, ids=name_of)
def test_settings_that_commands_change_exist(page: Path) -> None:
    sections = [field.annotation for field in Config.model_fields.values()]
    known = {key for section in sections for key in getattr(section, "model_fields", {})}
    for words in commands(page):
        changed = [value for flag, value in pairwise(words) if flag == "--set"]
        keys = {setting.partition("=")[0].rpartition(".")[2] for setting in changed}
        assert keys <= known | {"KEY"}, words


def test_the_page_of_the_python_api_documents_every_public_name() -> None:
    paths = re.findall(
        r"^::: ([\w.]+)$", (ROOT / "docs" / "api.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    for path in paths:
        assert pkgutil.resolve_name(path) is not None
    documented = {path.rpartition(".")[2] for path in paths}
    assert set(infogan.__all__) - {"source"} <= documented  # `source` is `Source`


@pytest.mark.parametrize("page", CURRENT_PAGES, ids=name_of)
def test_pages_use_plain_words(page: Path) -> None:
    assert phrases(page.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("source", SOURCES, ids=name_of)
def test_names_comments_and_messages_use_plain_words(source: Path) -> None:
    found = phrases(prose(source.read_text(encoding="utf-8")))
    kept = KEPT.get(source.name, ())
    assert [phrase for phrase in found if not any(text in phrase.lower() for text in kept)] == []


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("Retrain on a moved\ncopy of the image.", 1),
        ("The clusters are recommended for amended tables.", 0),
        ("Nobody is told.", 2),
        ("There is no file, this is no mesh, and it is no longer there.", 1),
    ],
)
def test_phrases_are_found_as_whole_words_and_over_line_breaks(text: str, count: int) -> None:
    assert len(phrases(text)) == count


def test_phrases_are_found_in_names_comments_and_strings_over_several_lines() -> None:
    source = 'def so_many():\n    # the images are\n    # told\n    f("held "\n      "against")\n'
    assert len(phrases(prose(source))) == 3
