"""The pages for users, README.md and docs/*.md: their blocks of code, links and headings."""

import re
import unicodedata
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
REASONS = {
    "downloads",
    "a GPU",
    "several machines",
    "hours",
    "other data",
    "another tool",
    "it writes this page",
    "a test of its own runs it",
}
_FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```", re.DOTALL | re.MULTILINE)
_MARK = re.compile(r"<!-- not run: (.*?) -->\n *$")


class Block(NamedTuple):
    """A fenced block of a page."""

    page: str  # file name
    line: int
    language: str
    text: str
    mark: str | None  # why it is not run, if it is marked so


def pages() -> dict[str, str]:
    """The text of each page, by its path below the checkout."""
    files = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    return {file.relative_to(ROOT).as_posix(): file.read_text() for file in files}


def blocks(page: str, text: str) -> list[Block]:
    found = []
    for match in _FENCE.finditer(text):
        mark = _MARK.search(text[: match.start()])
        line = text.count("\n", 0, match.start()) + 1
        found.append(Block(page, line, match[2], match[3], mark[1] if mark else None))
    return found


def without_code(text: str) -> str:
    """A page without its fenced blocks and code spans."""
    return re.sub(r"`[^`\n]*`", "", _FENCE.sub("", text))


def anchors(text: str) -> set[str]:
    """What links to headings of a page end with, as GitHub and MkDocs make it of plain headings."""
    found = set()
    for heading in re.findall(r"^#+ (.*)$", _FENCE.sub("", text), re.MULTILINE):
        plain = re.sub(r"\[([^]]*)\]\([^)]*\)|`", r"\1", heading)
        letters = unicodedata.normalize("NFKD", plain).encode("ascii", "ignore").decode().lower()
        found.add(re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", letters).strip()))
    return found


def commands(block: Block) -> list[str]:
    """The commands of a block of shell: comments and continued lines taken away, `&&` taken apart."""
    joined = block.text.replace("\\\n", " ")
    lines = [re.sub(r"(^|\s)#.*$", "", line).strip() for line in joined.splitlines()]
    return [part.strip() for line in lines if line for part in re.split(r"\s&&\s|;\s", line)]
