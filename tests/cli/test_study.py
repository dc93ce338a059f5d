"""`python -m objabn study`: what it says first, what it sets, and what it names at the end."""

from pathlib import Path

import pandas as pd
import pytest

from objabn.__main__ import main
from objabn.cli import study
from objabn.cli.study import STUDIES, Study, design
from objabn.config.edit import edit
from objabn.config.file import load_params
from objabn.config.schema import Params

MADE = Study("synthetic", "a made one", 0.5, ("table.pc=[false]", "loss.attention=mask", "table.attention=[abn,mask]"))
FOLDED = ["dataset=folder", "table.pc=[false]", "table.attention=[mask]", "loss.attention=mask"]


@pytest.fixture
def made(place: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Params, int | None]]:
    """A checkout with a made-up study; the calls of `make`, which writes the tables."""
    calls: list[tuple[Params, int | None]] = []

    def make(params: Params, jobs: int | None) -> int:
        assert params == load_params()  # it stands in the file before anything runs
        calls.append((params, jobs))
        Path("tables").mkdir(exist_ok=True)
        for name in ("synthetic.md", "synthetic.png", "synthetic-audits.md"):
            Path("tables", name).write_text(f"{name} {len(calls)}")
        page = Path("reports/synthetic/index.html")
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text("page")
        return 3 if params.table.seeds == [7, 8] else 0

    monkeypatch.setattr(study, "make", make)
    monkeypatch.setitem(STUDIES, "made", MADE)
    return calls


def test_it_says_what_it_can_tell_sets_and_makes(
    made: list[tuple[Params, int | None]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["study", "made", "-j", "2"]) == 0
    out = capsys.readouterr().out
    lines = out.splitlines()
    assert lines[:3] == [
        "study made: 3 rows x 3 seeds = 9 networks",
        "rows: abn, mask, plain",
        "tested: 128 videos of 128 recordings",
    ]
    # 50 points a video, 2 trainings: sqrt(2 / 3) * 50 / sqrt(128) = 3.608, of which 4 degrees of freedom see 3.76
    assert "  top-1 13.6 points: computed for an accuracy of 50 % " in out
    changes = [line for line in lines if line.startswith("params.yaml: ")]
    assert changes == [
        "params.yaml: table.pc: [false, true] -> [false]",
        "params.yaml: loss.attention: abn -> mask",
        "params.yaml: table.attention: [abn, mask, mha] -> [abn, mask]",
    ]
    assert lines[-4:] == [
        "study made:", "  tables/study-made.md", "  tables/study-made.png", "  reports/study-made.html",
    ]  # fmt: skip
    assert Path("tables/study-made.md").read_text() == "synthetic.md 1"
    assert Path("reports/study-made.html").read_text() == "page"
    assert made[0][1] == 2
    before = Path("params.yaml").read_text()
    assert main(["study", "made"]) == 0  # again: nothing is left to change
    assert "params.yaml: " not in capsys.readouterr().out
    assert Path("params.yaml").read_text() == before


def test_what_is_given_wins_and_a_failure_is_passed_on(
    made: list[tuple[Params, int | None]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["study", "made", "-S", "table.seeds=[7,8]", "-S", "table.attention=[mask]"]) == 3
    assert made[0][0].table.attention == ["mask"]
    assert "tables/" not in capsys.readouterr().out
    assert main(["study", "made", "-S", "table.seeds=[7]"]) == 0
    assert "no difference will have an interval: one training of each row" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["unknown"], "study: expected jhmdb, jhmdb-dose, jhmdb-curve, made, got unknown"),
        (["made", "-S", "dataset=quick"], "study made: expected the data set synthetic, got -S dataset=quick"),
        (["made", "-S", "loss.attention=mhaa"], "params.yaml: loss.attention: "),
    ],
)
def test_what_is_refused_changes_nothing(
    made: list, given: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = Path("params.yaml").read_text()
    assert main(["study", *given]) == 2
    assert capsys.readouterr().err.startswith(told)
    assert (made, Path("params.yaml").read_text()) == ([], before)


def test_with_folds_all_videos_are_tested(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two clips a recording, in three folds; each clip for itself has sqrt(2) times less noise."""
    monkeypatch.setitem(STUDIES, "made", MADE)
    params = edit(FOLDED).params
    with pytest.raises(ValueError, match=r"^data/folder/index.csv: expected the list of the data set's videos, got no"):
        design("made", params)
    paths = [f"run/a_g{at // 2:02}_c{at % 2:02}.avi" for at in range(36)]
    videos = pd.DataFrame({"video": paths, "path": paths, "split": [f"fold-{at // 2 % 3 + 1}" for at in range(36)]})
    monkeypatch.setattr("objabn.index.table.read_index", lambda path: videos)
    Path("data/folder").mkdir(parents=True)
    Path("data/folder/index.csv").touch()
    told = design("made", params)
    assert told[0] == "study made: 2 rows x 3 seeds x 3 folds = 18 networks"
    assert told[2] == (
        "tested: 36 videos of 18 recordings, each by networks that have seen nothing of its recording"
    )  # fmt: skip
    assert told[4].startswith("  top-1 25.6 to 36.2 points: ")
    half = videos.assign(split=["train", "train", "test"] * 12)
    monkeypatch.setattr("objabn.index.table.read_index", lambda path: half)
    assert design("made", params)[2] == "tested: 12 videos of 12 recordings"


@pytest.mark.parametrize("name", [name for name in STUDIES if name.startswith("jhmdb")])
def test_the_shipped_studies_fit(place: Path, name: str) -> None:
    given = STUDIES[name]
    edited = edit([f"dataset={given.dataset}", *given.settings])
    assert edited.params.dataset == "jhmdb"


def test_fewer_clips_get_as_many_steps(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the other rows' epochs are; who sets a control's own gets these."""
    made = []
    monkeypatch.setattr("objabn.cli.study.make", lambda params, jobs: made.append(params) or 3)
    monkeypatch.setattr("objabn.cli.study.design", lambda name, params: [])
    own = "controls.plain-half.set={train.share: 0.5, train.epochs: 7}"
    for given in ([], ["-S", "datasets.jhmdb.train.epochs=5"], ["-S", own]):
        assert main(["study", "jhmdb-curve", *given]) == 3
    epochs = [
        [params.controls[name].set["train.epochs"] for name in ("plain-half", "plain-quarter")] for params in made
    ]
    assert epochs == [[20, 40], [10, 20], [7, 20]]
