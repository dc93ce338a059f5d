"""`objabn demo`: what is wrong with its arguments costs a line, and so does a missing gradio. The page: tests/demo."""

import sys

import pytest

from objabn.__main__ import main


def test_without_gradio_a_line_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "gradio", None)
    monkeypatch.delitem(sys.modules, "objabn.demo.page", raising=False)
    assert main(["demo"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("objabn demo: needs the package gradio, found none; ")
    assert "`pip install '.[demo]'`" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--port", "70000"], "--port: expected 1 to 65535, got 70000"),
        (["--device", "cuda"], "device: expected auto or cpu on a machine without a CUDA device, got cuda"),
        (["--run", "nowhere"], "run nowhere: expected a run's directory"),
        (["--weights", "w.pth"], "--weights: expected one --model beside it, got 0"),
    ],
)
def test_faults_before_a_page_is_served(given: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", *given]) == 2
    assert capsys.readouterr().err.startswith(message)


def test_a_named_network_is_loaded_before_a_page_is_served(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("gradio", reason="gradio is not installed")
    assert main(["demo", "--model", "nowhere.py:load"]) == 2
    assert capsys.readouterr().err == "nowhere.py:load: expected a Python file, got no such file\n"
