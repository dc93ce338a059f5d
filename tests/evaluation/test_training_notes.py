"""What the report tells of trainings: of each seed the curves, numbers that do not exist as null."""

import json
from pathlib import Path

import pytest

from objabn.evaluation.training_notes import check_recordings, training_notes
from objabn.system.files import file_digest


def run(folder: Path, version: str, curves: str) -> Path:
    folder.mkdir()
    (folder / "run.json").write_text(json.dumps({"versions": {"torch": version}, "seed": 0}))
    (folder / "curves.csv").write_text(curves)
    return folder


def test_curves_of_each_seed(tmp_path: Path) -> None:
    one = run(tmp_path / "0", "1", "epoch,loss,mask,train_top1,val_top1\n1,2.00000049,7,50,\n2,1.5,7,60,75.0\n")
    other = run(tmp_path / "4", "2", "epoch,loss,train_top1,val_top1\n1,3.0,10,20\n")
    notes = training_notes({0: one, 4: other})
    assert notes == {
        "versions": {"torch": "1"},
        "curves": {
            "0": {"epoch": [1, 2], "loss": [2.0, 1.5], "train_top1": [50, 60], "val_top1": [None, 75.0]},
            "4": {"epoch": [1], "loss": [3.0], "train_top1": [10], "val_top1": [20]},
        },
        "epochs": {"0": 2, "4": 1},  # the last: these runs were made before a run said whose epoch's weights it has
        "validated_on": "test",
        "networks": 1,
    }
    json.dumps(notes, allow_nan=False)


def test_shares_of_the_gradient_are_there_where_they_were_noted(tmp_path: Path) -> None:
    text = "epoch,loss,train_top1,val_top1,gradient_mha,gradient_pc\n1,2,50,60,,0.0004\n2,1,60,70,,\n"
    curves = training_notes({0: run(tmp_path / "0", "1", text)})["curves"]["0"]
    assert list(curves) == ["epoch", "loss", "train_top1", "val_top1", "gradient_pc"]
    assert curves["gradient_pc"] == [0.0004, None]


def test_a_run_without_curves(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="val_top1"):
        training_notes({0: run(tmp_path / "0", "1", "epoch,loss,train_top1\n1,2,3\n")})


def test_the_epoch_whose_weights_a_run_has_and_what_chose_it(tmp_path: Path) -> None:
    directory = run(tmp_path / "0", "1", "epoch,loss,train_top1,val_top1\n1,2,50,60\n2,1,60,50\n")
    record = {"versions": {"torch": "1"}, "epoch": 1, "validated_on": "val"}
    (directory / "run.json").write_text(json.dumps(record))
    notes = training_notes({0: directory})
    assert (notes["epochs"], notes["validated_on"]) == ({"0": 1}, "val")


def test_a_share_of_other_recordings_is_told(tmp_path: Path) -> None:
    """The choice hangs on the recordings; only of rows with a share are they looked at."""
    groups, directory = tmp_path / "groups.csv", run(tmp_path / "0", "1", "epoch,loss,train_top1,val_top1\n1,2,50,60\n")
    groups.write_text("video,group\na,1\n")
    record = {"versions": {}, "params": {"train": {"share": 0.5}}, "inputs": {str(groups): file_digest(groups)}}
    notes = {}
    for name, share in (("half", 0.5), ("whole", 1.0)):
        record["params"] = {"train": {"share": share}}
        (directory / "run.json").write_text(json.dumps(record))
        notes[name] = training_notes({0: directory})
    check_recordings(notes, groups)
    groups.write_text("video,group\na,2\n")
    check_recordings({"whole": notes["whole"]}, groups)
    with pytest.raises(ValueError, match="expected the recordings of which half was trained on a share, got others"):
        check_recordings(notes, groups)
