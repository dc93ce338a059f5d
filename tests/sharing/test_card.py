"""What a model card says: numbers with intervals, limits, data, masks and licences of each kind of row."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from objabn.config.schema import Dataset
from objabn.evaluation.numbers import Number
from objabn.sharing.card import Facts, card, is_unchanged
from objabn.sharing.limits import limits
from objabn.sharing.numbers import Interval, Numbers, number_lines, read_row
from objabn.sharing.source import Source
from tests.helpers.pushing import CURVES, DIFFERENCES, MEANS, SEGMENTER, WITHIN, write_numbers
from tests.helpers.runs import parameters

RECORD = {"attention": "mask", "pc": False, "control": None, "masks": "own", "labels": "own", "fold": None,
          "class_names": ["clap", "walk <b>", "a|b_c"], "versions": {"objabn": "0.1.0"}}  # fmt: skip
NUMBERS = Numbers(
    {key: Number(sum(values) / 2, 1.0) for key, values in MEANS.items()},
    {key: Interval(*ends) for key, ends in DIFFERENCES.items()},
    {name: Interval(*ends) for name, ends in WITHIN.items()},
    {0: 92.0, 1: 94.0},
    Path("tables/ds.csv"),
)
INDEX = pd.DataFrame({"label": "clap", "split": ["train"] * 5 + ["val"] + ["test"] * 3})


def source(**record: Any) -> Source:
    return Source("ds", "mask/pc-false", {"": Path("runs/ds/mask/pc-false/seed-0")}, (0,), {**RECORD, **record})


@pytest.fixture
def params(synthetic: Dataset) -> Dataset:
    return parameters(synthetic)


def text_of(params: Dataset, numbers: Numbers | None = NUMBERS, of: Source | None = None, **facts: Any) -> str:
    own = of or source()
    settled = {"licence": "apache-2.0", "videos": INDEX, "segmenter": SEGMENTER, "digests": {"": "ab12"}, "changed": {}}
    settled |= facts
    return card(Facts(own, params, numbers, limits(own, params, numbers, None), **settled))


def test_numbers_have_intervals_where_the_table_has_them(params: Dataset) -> None:
    text = text_of(params)
    for line in (
        "| top-1, % | 93.0 ± 1.0 | -1.5 [-4.0, +0.9] |",
        "| M_o: highest on the true object, % of the frames | 95.0 ± 100.0 | +34.6 [+26.3, +42.8] |",
        "| Grad-CAM: highest on the true object, % of the frames | 45.0 ± 100.0 |  |",
        "| top-1 lost with one even weight in the place of the map | +27.6 points [+4.9, +50.3] | |",
    ):
        assert line in text.splitlines()
    assert "top-5" not in text.split("---\n", 2)[2]  # of three classes
    assert any(line.startswith("| top-5") for line in number_lines(NUMBERS, 6))
    assert "Top-1 by training: seed 0 92.0 %, seed 1 94.0 %. Here: seed 0." in text


def test_it_says_what_the_row_was_trained_with(params: Dataset) -> None:
    text = text_of(params)
    assert "- **Data**: `ds`, 3 classes, 5 videos for training, 1 videos for validation, 3 videos for testing." in text
    assert "- **Masks**: of the segmenter torchvision figures." in text
    assert "- The segmenter that made the masks: Apache-2.0 of the masks." in text
    assert "- **Classes**: clap, walk \\<b\\>, a\\|b\\_c." in text
    assert "| `model.safetensors` | `ab12` |" in text
    folds = INDEX.assign(split=["fold-1"] * 4 + ["fold-2"] * 5)
    assert "9 videos in 2 folds, a network a fold" in text_of(params, videos=folds)
    many = source(class_names=[f"class {number:03}" for number in range(174)])
    assert "class 039 and 134 more (`run.json`)" in text_of(params, of=many)


def metrics(text: str) -> dict[str, float]:
    """What the header says of the accuracy."""
    index = yaml.safe_load(text.split("---\n")[1]).get("model-index", [])
    return {each["name"]: each["value"] for model in index for each in model["results"][0]["metrics"]}


def test_the_headers_accuracy_is_that_of_the_weights_in_the_folder(params: Dataset) -> None:
    place, row = Path("runs/ds/mask/pc-false"), ("ds", "mask/pc-false")
    assert metrics(text_of(params)) == {"top-1, %": 92.0}
    both = {f"seed-{seed}": place / f"seed-{seed}" for seed in (0, 1)}
    mean = "mean of 2 trainings"
    assert metrics(text_of(params, of=Source(*row, both, (0, 1), RECORD))) == {
        f"top-1, %, {mean}": 93.0, f"top-5, %, {mean}": 99.5,
    }  # fmt: skip
    one = NUMBERS._replace(by_seed={0: 93.0})
    assert metrics(text_of(params, one)) == {"top-1, %": 93.0, "top-5, %": 99.5}
    fold = Source(*row, {"": place / "seed-0/fold-2"}, (0,), {**RECORD, "fold": "fold-2"})
    for numbers in (NUMBERS, one):
        text = text_of(params, numbers, fold)
        assert metrics(text) == {}
        assert " Here: fold-2 of seed 0, trained on the other folds." in text


def test_what_a_control_changes(params: Dataset) -> None:
    control = source(control="mask-even")
    text = text_of(params, of=control, changed={"loss_weights.even": 0.3, "train.lr": 0.001})
    assert " It is the control `mask-even`, with `loss_weights.even: 0.3`, `train.lr: 0.001`." in text
    assert " It is the control `mask-even`.\n" in text_of(params, of=control)


def test_only_the_text_itself_is_unchanged(params: Dataset) -> None:
    text = text_of(params)
    assert is_unchanged(text)
    assert not is_unchanged(text.replace("clap", "slap"))
    assert not is_unchanged(text + "\n")


@pytest.mark.parametrize(
    ("record", "numbers", "share", "said"),
    [
        ({}, NUMBERS, None, "The videos are drawn figures"),
        ({}, NUMBERS, None, "costs 27.6 points [4.9, 50.3] of top-1: by this comparison alone, the answer uses"),
        ({}, NUMBERS, None, "differs from that of `abn` by no more than noise: -1.5 points [-4.0, +0.9]"),
        ({}, NUMBERS, None, "a bump in the middle of the frame in 37.0 %, Grad-CAM of the same network in 45.0 %"),
        ({}, NUMBERS, None, "insertion 0.61 (more is better) and deletion 0.21 (less is better), those in the order"),
        ({}, NUMBERS, None, "M_o was taught where the object is"),
        ({}, None, None, "nothing is known of its accuracy"),
        ({}, NUMBERS._replace(against_abn={}, within={}), None, "No number here has an interval"),
        ({}, NUMBERS._replace(within={}), None, "It was not measured whether the answer uses the map"),
        ({}, NUMBERS._replace(within={"within_even": Interval(2.9, -5.9, 11.6)}), None, "It is not shown that the"),
        ({"attention": "plain"}, NUMBERS, None, "no attention branch"),
        ({"pc": True}, NUMBERS, 0.00013, "was 0.013 %: in effect it was trained without PC"),
        ({"labels": "shuffled", "control": "shuffled-labels"}, NUMBERS, None, "Its answers are worth nothing"),
        ({"masks": "shifted"}, NUMBERS, None, "masks moved to another place on purpose"),
        ({"masks": {"of": "truth", "shift": 0.2, "drop": 0.0}}, NUMBERS, None, "shifted by 20% of the frame's side"),
    ],
)  # fmt: skip
def test_limits(params: Dataset, record: dict, numbers: Numbers | None, share: float | None, said: str) -> None:
    told = limits(source(**record), params, numbers, share)
    assert any(said in line for line in told), told


def test_limits_that_do_not_hold_are_not_said(params: Dataset) -> None:
    own = params.model_copy(update={"synthesize": None})
    better = NUMBERS._replace(against_abn={("top1", ""): Interval(5.0, 2.0, 8.0)})
    told = " ".join(limits(source(pc=True, validated_on="val"), own, better, 0.2))
    for words in ("drawn figures", "noise", "PC's share", "on purpose", "The epoch was chosen"):
        assert words not in told
    best = own.model_copy(update={"train": own.train.model_copy(update={"report": "best"})})
    assert "The epoch was chosen" in " ".join(limits(source(validated_on="test"), best, better, None))
    assert "The epoch was chosen" not in " ".join(limits(source(validated_on="val"), best, better, None))


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ({"attention": "abn"}, "none"),
        ({"masks": {"of": "truth", "shift": 0.0, "drop": 0.0}}, "the true masks"),
        ({"masks": {"of": "motion"}}, "what moves before a still camera"),
        ({"masks": "other"}, "of the segmenter torchvision figures, of other videos on purpose"),
    ],
)
def test_masks_of_a_row(params: Dataset, record: dict, words: str) -> None:
    assert f"- **Masks**: {words}." in text_of(params, of=source(**record))


def test_who_made_the_masks(params: Dataset) -> None:
    own = params.model_copy(update={"synthesize": None})
    truth = source(masks={"of": "truth", "shift": 0.0, "drop": 0.0})
    assert "- **Masks**: the data set's true masks or boxes." in text_of(own, of=truth)
    for segmenter, words in (
        ({"backend": "transformers", "weights": "some/net_s"}, "of the segmenter transformers some/net\\_s"),
        ({"backend": "import", "format": "png", "masks": "mine"}, "imported masks"),
        ({"backend": "motion"}, "of the segmenter motion"),
        (None, "of an unknown segmenter"),
    ):
        assert f"- **Masks**: {words}." in text_of(params, segmenter=segmenter)


def test_abn_may_have_been_trained_on_more_videos(params: Dataset) -> None:
    text = text_of(params.model_copy(update={"train": params.train.model_copy(update={"share": 0.5})}))
    assert "`abn` is the row whose map is taught by the classes alone, tested on the same videos." in text
    assert "trained and tested on the same" not in text


@pytest.mark.parametrize(
    ("backbone", "words"),
    [
        ("my.py:net", "is its authors' code, which is not here: `my.py:net`"),
        ("hf:some/model", "the checkpoint's config: `hf:some/model`"),
        ("hf:/home/me/mine", "the checkpoint's config: `hf:mine`"),
        ("../me/my_net.py:net", "is its authors' code, which is not here: `my_net.py:net`"),
    ],
)
def test_what_a_backbone_needs_is_said(params: Dataset, backbone: str, words: str) -> None:
    model = params.model.model_copy(update={"backbone": backbone})
    text = text_of(params.model_copy(update={"model": model}))
    assert words in text
    assert "/me/" not in text


def test_a_control_is_found_in_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = Path("runs/ds/controls/mask-area/seed-0")
    run.mkdir(parents=True)
    pd.DataFrame(CURVES).to_csv(run / "curves.csv", index=False)
    own = Source("ds", "controls/mask-area", {"": run}, (0,), {**RECORD, "control": "mask-area", "pc": True})
    write_numbers("controls/mask-area", "mask-area")
    numbers = read_row(own)
    assert numbers is not None
    assert numbers.against_abn["pointing", "o"] == Interval(34.6, 26.3, 42.8)
    assert numbers.within["within_even"] == Interval(27.6, 4.9, 50.3)
    Path("tables/ds.csv").write_text("attention,pc\nmask-area,False\n")  # of another version
    old = read_row(own)
    assert old is not None
    assert (old.against_abn, old.origin) == ({}, Path("results/ds/controls/mask-area.csv"))
    assert old.means["top1", ""].mean == 93.0
