"""README.md and docs/: short enough, linked, complete, and their commands are ones that there are."""

import argparse
import re
import shlex
from importlib import import_module
from pathlib import Path

import pytest
import yaml

from objabn.__main__ import COMMANDS
from objabn.config.file import read_yaml
from tests.helpers.pages import REASONS, ROOT, Block, anchors, blocks, commands, pages, without_code

PAGES = pages()
SHELL = [block for page, text in PAGES.items() for block in blocks(page, text) if block.language == "bash"]
IMAGE = re.compile(r"!\[[^\]]+\]\(([^)]+)\)")
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")


def named(block: Block) -> str:
    return f"{block.page}:{block.line}"


def test_the_readme_is_one_page() -> None:
    text = PAGES["README.md"]
    assert len(text.splitlines()) <= 150
    assert len(text.split()) <= 1100


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    folder = (ROOT / page).parent
    for target in [*LINK.findall(without_code(PAGES[page])), *IMAGE.findall(PAGES[page])]:
        if target.startswith(("https://", "http://")):
            continue
        path, _, anchor = target.partition("#")
        file = (folder / path).resolve() if path else ROOT / page
        assert file.exists(), f"{page}: {target}"
        if page != "README.md":
            assert file.is_relative_to(ROOT / "docs"), f"{page}: {target} is no page of the site"
        if anchor:
            assert anchor in anchors(file.read_text()), f"{page}: {target}"


def test_every_page_is_in_the_index_in_the_sites_navigation_and_in_the_readme() -> None:
    there = {page.removeprefix("docs/") for page in PAGES if page.startswith("docs/")}
    text = (ROOT / "mkdocs.yml").read_text()
    assert set(re.findall(r": (\S+\.md)$", text, re.MULTILINE)) == there
    assert yaml.safe_load(text)["docs_dir"] == "docs"
    assert set(LINK.findall(PAGES["docs/index.md"])) == there - {"index.md"}
    assert {f"docs/{name}" for name in there} - set(LINK.findall(PAGES["README.md"])) <= {"docs/index.md"}


@pytest.mark.parametrize("page", PAGES)
def test_a_page_has_one_title_and_blocks_of_known_kinds(page: str) -> None:
    text = PAGES[page]
    assert text.startswith("# ")
    assert len(re.findall(r"^# ", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE)) == 1
    for block in blocks(page, text):
        assert block.language in {"bash", "python", "yaml", "text"}, named(block)
        assert block.mark is None or block.mark in REASONS, named(block)
    assert text.count("<!-- not run:") == sum(block.mark is not None for block in blocks(page, text))


def parser() -> argparse.ArgumentParser:
    whole = argparse.ArgumentParser(exit_on_error=False)
    subparsers = whole.add_subparsers(dest="command", required=True)
    for name in COMMANDS:
        import_module(f"objabn.cli.{name}").add_parser(subparsers)
    return whole


def values(words: list[str]) -> list[str]:
    """What stands behind each -S."""
    return [words[at + 1] for at, word in enumerate(words[:-1]) if word == "-S"]


@pytest.mark.parametrize("block", SHELL, ids=named)
def test_commands_of_objabn_and_keys_of_parameters_are_ones_that_there_are(
    block: Block, capsys: pytest.CaptureFixture[str]
) -> None:
    document = read_yaml((ROOT / "params.yaml").read_text())
    for command in commands(block):
        words = shlex.split(re.sub(r"^([A-Z_]+=\S+ )+| >.*$", "", command).replace("...", "dots"))
        if words[:3] == ["python", "-m", "objabn"]:
            words = words[2:]
        if words[:1] == ["objabn"]:
            try:
                parser().parse_args(words[1:])
            except (SystemExit, argparse.ArgumentError) as fault:
                if getattr(fault, "code", 2) != 0:
                    pytest.fail(f"{command}: {fault} {capsys.readouterr().err}")
        if words[:3] == ["python", "-m", "benchmarks"] or (words[:2] == ["python", "-m"] and "benchmarks." in words[2]):
            assert (ROOT / words[2].replace(".", "/")).with_suffix(".py").exists() or (
                ROOT / words[2].replace(".", "/")
            ).is_dir(), command
        for value in values(words):
            place = document
            for name in value.partition("=")[0].split("."):
                assert isinstance(place, dict), command
                assert name in place, f"{command}: params.yaml has no {name}"
                place = place[name]


def test_the_readmes_table_has_the_numbers_of_the_table_that_dvc_writes() -> None:
    printed = (ROOT / "tables/synthetic.md").read_text()
    rows = re.findall(r"^\| `(\w+)`[^|]*\|(.*)\|$", PAGES["README.md"], re.MULTILINE)
    assert [name for name, _ in rows] == ["plain", "abn", "mask", "mha"]
    for name, cells in rows:
        lines = [line for line in printed.splitlines() if line.startswith(f"| {name} |  |")]
        words = next(line for line in printed.splitlines() if line.startswith("- **Is the map used?**"))
        found = [float(number) for line in lines for number in re.findall(r"-?\d+\.\d+", line)]
        used = re.search(rf"(?:\s){name}: what one even weight costs [^(]*\(\+([\d.]+) points \[([^\]]*)\]", words)
        for shown in re.findall(r"-?\d+\.?\d*", cells):
            decimals = len(shown.partition(".")[2])
            known = [*found, *([float(each) for each in (used[1], *used[2].split(","))] if used else [])]
            assert any(f"{each:.{decimals}f}" == shown for each in known), f"{name}: {shown}"


def test_statements_of_the_readme_are_the_tables() -> None:
    printed = " ".join((ROOT / "tables/synthetic.md").read_text().split())
    text = " ".join(PAGES["README.md"].split())
    assert "sharper, here by 1.30 bits [1.22, 1.39]" in text
    assert "mask against abn: sharper by 1.30 bits [1.22, 1.39]" in printed
    assert "34.6 points [26.3, 42.8]" in text
    assert "mask against abn: highest on the truth more often, by 34.6 points [26.3, 42.8]" in printed


def test_pictures_of_pages_are_small_enough_for_a_page() -> None:
    for file in (ROOT / "docs").iterdir():
        if file.suffix in (".png", ".gif"):
            assert file.stat().st_size < 1_600_000, file.name
            assert any(f"({Path(file).name})" in text or f"(docs/{file.name})" in text for text in PAGES.values()), file
