"""Long names on the page: whole for whoever reads, searches or copies them, cut between letters."""

import re

import pytest

from objabn.report.page.labels import LETTERS, named


@pytest.mark.parametrize(
    "name",
    [
        "walk", "x" * LETTERS, "x" * (LETTERS + 1), "Pretending to put something behind something",
        "長い名前の動作" * 6, "🏃🏽‍♀️" * 12, "e\u0301" * 20, "مشي على العشب مع الكلب " * 3,
        '<script>alert("x")</script> & more text',
    ],
)  # fmt: skip
def test_the_whole_name_is_there(name: str) -> None:
    found = str(named(name))
    text = re.sub(r"<[^>]*>", "", found)
    for sign, entity in (("&lt;", "<"), ("&gt;", ">"), ("&#34;", '"'), ("&#39;", "'"), ("&amp;", "&")):
        text = text.replace(sign, entity)
    assert text == name
    assert ("title=" in found) == (len(name) > LETTERS)
    assert "<script" not in found


def test_it_is_cut_before_a_word_and_never_within_a_letter() -> None:
    first, last = re.findall(r"<span>([^<]*)</span>", str(named("Pretending to put something behind something")))
    assert (first, last) == ("Pretending to put something behind ", "something")
    assert re.findall(r"<span>([^<]*)</span>", str(named("e\u0301" * 20)))[1].startswith("e")
    assert re.findall(r"<span>([^<]*)</span>", str(named("🏃🏽‍♀️" * 12)))[1].startswith("🏃")
