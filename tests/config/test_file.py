"""params.yaml: every broken file gives one line with the full key, and nothing heavy is imported on the way."""

import re
from pathlib import Path

import pytest
import yaml

from objabn.config.control_masks import TrueMasks
from objabn.config.faults import ParamsError
from objabn.config.file import load_params, parse_params, read_yaml
from objabn.config.selection import control_and_block

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "params.yaml").read_text()
_CONTROL = {"attention": "mha", "pc": False, "masks": "own", "labels": "own", "set": {}}
_NETWORK = {"network": "torchvision:r3d_18", "weights": None, "labels": None, "layer": None, "set": {}}
MOTION = {"backend": "motion", "stride": 1, "threshold": 25.0, "min_area": 0.002}
SEMANTIC = {"backend": "torchvision", "stride": 1, "weights": "zoo", "model": "lraspp_mobilenet_v3_large",
            "short_edge": 520, "batch_size": 4}  # fmt: skip


def edited(path: str, value: object) -> str:
    """The shipped file with one value set (or, with `value` `...`, one key removed)."""
    values = read_yaml(TEXT)
    *parents, last = path.split(".")
    block = values
    for key in parents:
        block = block[key]
    if value is ...:
        del block[last]
    else:
        block[last] = value
    return yaml.safe_dump(values)


# (what is broken, file, the one line expected after `params.yaml: `)
BROKEN = [
    ("text for an integer", edited("datasets.ucf101.train.epochs", "fifty"),
     "datasets.ucf101.train.epochs: expected integer, got 'fifty'"),
    ("float for an integer", edited("datasets.ucf101.data.num_frames", 16.5),
     "datasets.ucf101.data.num_frames: expected integer, got 16.5"),
    ("text for a boolean", edited("loss.pc", "yes"),
     "loss.pc: expected boolean, got 'yes'"),
    ("number for a boolean", edited("datasets.ssv2.decode.store", 1),
     "datasets.ssv2.decode.store: expected boolean, got 1"),
    ("text for a float", edited("datasets.synthetic.train.lr", "fast"),
     "datasets.synthetic.train.lr: expected number, got 'fast'"),
    ("unknown key at the top", edited("epochs", 3),
     "epochs: not a known parameter"),
    ("unknown key in loss", edited("loss.weight", 1.0),
     "loss.weight: not a known parameter"),
    ("unknown key in a data set", edited("datasets.ucf101.colour", "red"),
     "datasets.ucf101.colour: not a known parameter"),
    ("misspelt key", edited("datasets.ucf101.train.epoks", 3),
     "datasets.ucf101.train.epoks: not a known parameter"),
    ("unknown key in table", edited("table.rows", 6),
     "table.rows: not a known parameter"),
    ("negative learning rate", edited("datasets.ucf101.train.lr", -1e-4),
     "datasets.ucf101.train.lr: expected greater than 0, got -0.0001"),
    ("probability over 1", edited("datasets.ucf101.data.flip", 1.5),
     "datasets.ucf101.data.flip: expected less than or equal to 1, got 1.5"),
    ("infinite weight", edited("datasets.ucf101.loss_weights.mask", float("inf")),
     "datasets.ucf101.loss_weights.mask: expected a finite number, got inf"),
    ("unknown choice", edited("datasets.ucf101.mask.resize", "cubic"),
     "datasets.ucf101.mask.resize: expected 'nearest', 'area' or 'max', got 'cubic'"),
    ("row that is not in table", edited("table.attention", ["mask", "mha"]),
     "loss.attention: expected one of the rows in table.attention ['mask', 'mha'], got 'abn'"),
    ("pc that is not in table", edited("table.pc", [True]),
     "loss.pc: expected one of the rows in table.pc [True], got False"),
    ("repeated row", edited("table.seeds", [0, 1, 0]),
     "table.seeds: expected each value once, got [0, 1, 0]"),
    ("repeated control", edited("table.controls", ["plain", "plain"]),
     "table.controls: expected each value once, got ['plain', 'plain']"),
    ("unknown control", edited("table.controls", ["abn"]),
     f"table.controls.0: expected one of {', '.join(sorted(read_yaml(TEXT)['controls']))}, got 'abn'"),
    ("control named as a loss configuration", edited("controls.mask", _CONTROL),
     "controls.mask: expected a name of a-z, 0-9, - and _, starting with a letter, other than abn, mask, mha, "
     "got 'mask'"),
    ("control with a bad name", edited("controls.No maps", _CONTROL),
     "controls.No maps: expected a name of a-z, 0-9, - and _, starting with a letter, other than abn, mask, mha, "
     "got 'No maps'"),
    ("unknown attention of a control", edited("controls.plain.attention", "none"),
     "controls.plain.attention: expected 'plain', 'abn', 'mask' or 'mha', got 'none'"),
    ("unknown masks of a control", edited("controls.other-masks.masks", "random"),
     "controls.other-masks.masks: expected 'own', 'shifted' or 'other', got 'random'"),
    ("no text and no block for a control's masks", edited("controls.other-masks.masks", 3),
     "controls.other-masks.masks: expected 'own', 'shifted' or 'other', got 3"),
    ("unknown source of a control's masks", edited("controls.human-masks.masks.of", "sam"),
     "controls.human-masks.masks.of: expected 'own', 'truth', 'motion', got 'sam'"),
    ("no source of a control's masks", edited("controls.human-masks.masks.of", ...),
     "controls.human-masks.masks.of: missing"),
    ("masks that move too far", edited("controls.human-masks.masks.shift", 0.6),
     "controls.human-masks.masks.shift: expected less than or equal to 0.5, got 0.6"),
    ("no share of masks that are dropped", edited("controls.motion-masks.masks.drop", ...),
     "controls.motion-masks.masks.drop: missing"),
    ("a setting of motion for true masks", edited("controls.human-masks.masks.threshold", 25.0),
     "controls.human-masks.masks.threshold: not a known parameter"),
    ("a block of masks for a row without any", edited("controls.human-masks.attention", "abn"),
     "controls.human-masks.masks: expected own (abn is trained without masks), got a block"),
    ("a network that is none", edited("controls.r3d", {**_NETWORK, "network": "r3d_18"}),
     "controls.r3d.network: expected torchvision:NAME, hf:FOLDER, FILE.py:FUNCTION or package.module:function, "
     "got 'r3d_18'"),
    ("a network without its labels' key", edited("controls.r3d", {"network": "torchvision:r3d_18", "weights": None,
     "layer": None, "set": {}}),
     "controls.r3d.labels: missing"),
    ("a network that is taught masks", edited("controls.r3d", {**_NETWORK, "masks": "own"}),
     "controls.r3d.masks: not a known parameter"),
    ("a network whose training is changed", edited("controls.r3d", {**_NETWORK, "set": {"train.epochs": 3}}),
     "controls.r3d.set.train.epochs: expected a parameter of data (the network is not trained here)"),
    ("a network that sees half a frame", edited("controls.r3d", {**_NETWORK, "set": {"data.num_frames": 0.5}}),
     "controls.r3d.set.data.num_frames: expected integer, got 0.5"),
    ("a number for a network", edited("controls.r3d", {**_NETWORK, "network": 3}),
     "controls.r3d.network: expected string, got 3"),
    ("unknown labels of a control", edited("controls.shuffled-labels.labels", "random"),
     "controls.shuffled-labels.labels: expected 'own' or 'shuffled', got 'random'"),
    ("PC for a row without an attention branch", edited("controls.plain.pc", True),
     "controls.plain.pc: expected false (plain has no attention branch), got true"),
    ("wrong masks for a row without any", edited("controls.plain.masks", "shifted"),
     "controls.plain.masks: expected own (plain is trained without masks), got 'shifted'"),
    ("nothing said of what a control changes", edited("controls.plain.set", ...),
     "controls.plain.set: missing"),
    ("unknown parameter of a control", edited("controls.plain.set", {"model.dropoot": 0.5}),
     "controls.plain.set.model.dropoot: not a known parameter"),
    ("unknown block of a control", edited("controls.plain.set", {"model.branch.depth": 0.5}),
     "controls.plain.set.model.branch.depth: not a known parameter"),
    ("block that a control may not change", edited("controls.plain.set", {"decode.height": 64}),
     "controls.plain.set.decode.height: expected a parameter of data, mask, model, loss_weights, train, gradcam"),
    ("wrong value of a control that the table does not name", edited("controls.mask-max.set", {"mask.resize": "cubic"}),
     "controls.mask-max.set.mask.resize: expected 'nearest', 'area' or 'max', got 'cubic'"),
    ("what does not fit the rest of the block", edited("controls.plain.set", {"data.crop": 120}),
     "controls.plain.set.data.short_side_min: expected at least crop (120), got 112"),
    ("control as a loss configuration", edited("table.attention", ["abn", "plain"]),
     "table.attention.1: expected 'abn', 'mask' or 'mha', got 'plain'"),
    ("no controls named", edited("table.controls", ...),
     "table.controls: missing"),
    ("unknown colours", edited("table.colours", "rainbow"),
     "table.colours: expected 'turbo', 'viridis' or 'jet', got 'rainbow'"),
    ("empty list", edited("table.seeds", []),
     "table.seeds: expected at least one value, got []"),
    ("missing block", edited("datasets.ucf101.loss_weights", ...),
     "datasets.ucf101.loss_weights: missing"),
    ("missing top block", edited("loss", ...),
     "loss: missing"),
    ("empty block", edited("datasets.ucf101.mask", None),
     "datasets.ucf101.mask: expected a block of parameters, got nothing"),
    ("list for a block", edited("datasets.ucf101.eval", [1]),
     "datasets.ucf101.eval: expected a block of parameters, got [1]"),
    ("unknown data set", edited("dataset", "kinetics"),
     "dataset: expected one of folder, jhmdb, quick, ssv2, synthetic, ucf101, got 'kinetics'"),
    ("crop larger than the frame", edited("datasets.ucf101.data.short_side_eval", 200),
     "datasets.ucf101.data.short_side_eval: expected at least crop (224), got 200"),
    ("short sides in the wrong order", edited("datasets.ucf101.data.short_side_max", 250),
     "datasets.ucf101.data.short_side_max: expected at least short_side_min (256), got 250"),
    ("no weights", edited("datasets.ucf101.segment.weights", None),
     "datasets.ucf101.segment.weights: expected string, got nothing"),
    ("no model", edited("datasets.ssv2.segment.model", ...),
     "datasets.ssv2.segment.model: missing"),
    ("network input too small", edited("datasets.ucf101.segment.short_edge", 16),
     "datasets.ucf101.segment.short_edge: expected greater than or equal to 32, got 16"),
    ("a floor of nothing", edited("datasets.ssv2.segment.score_floor", 0.0),
     "datasets.ssv2.segment.score_floor: expected greater than 0, got 0.0"),
    ("no batch", edited("datasets.ssv2.segment.batch_size", 0),
     "datasets.ssv2.segment.batch_size: expected greater than or equal to 1, got 0"),
    ("detectron2 knows no threshold", edited("datasets.ssv2.segment.threshold", 25.0),
     "datasets.ssv2.segment.threshold: not a known parameter"),
    ("unknown backend", edited("datasets.ucf101.segment.backend", "sam"),
     "datasets.ucf101.segment.backend: expected 'motion', 'torchvision', 'detectron2', 'import', 'transformers', "
     "'sam3', got 'sam'"),
    ("a setting of the other backend", edited("datasets.synthetic.segment", MOTION | {"proposals": 9}),
     "datasets.synthetic.segment.proposals: not a known parameter"),
    ("a semantic model has no proposals", edited("datasets.folder.segment", SEMANTIC | {"proposals": 9}),
     "datasets.folder.segment.proposals: not a known parameter"),
    ("a small input of a semantic model", edited("datasets.folder.segment", SEMANTIC | {"short_edge": 9}),
     "datasets.folder.segment.short_edge: expected greater than or equal to 32, got 9"),
    ("a model that torchvision lacks", edited("datasets.folder.segment.model", "fcn"),
     "datasets.folder.segment.model: expected 'maskrcnn_resnet50_fpn_v2', 'maskrcnn_resnet50_fpn', 'figures', "
     "'lraspp_mobilenet_v3_large', 'deeplabv3_mobilenet_v3_large', 'deeplabv3_resnet50', got 'fcn'"),
    ("no model of torchvision", edited("datasets.folder.segment.model", ...),
     "datasets.folder.segment.model: missing"),
    ("persons only from motion", edited("datasets.synthetic.segment", MOTION),
     "datasets.synthetic.mask.groups: expected other in it (motion cannot tell persons), got ['person']"),
    ("frozen beyond the split", edited("datasets.synthetic.model.frozen", "res4"),
     "datasets.synthetic.model.frozen: expected a block of the extractor (up to res3), got 'res4'"),
    ("frozen without weights", edited("datasets.synthetic.model.pretrained", None),
     "datasets.synthetic.model.frozen: expected null without pretrained weights, got 'res2'"),
    ("frozen perception branch", edited("datasets.ucf101.model.frozen", "res5"),
     "datasets.ucf101.model.frozen: expected 'stem', 'res2', 'res3' or 'res4', got 'res5'"),
    ("map that starts at nothing", edited("datasets.ucf101.model.foreground_prior", 0),
     "datasets.ucf101.model.foreground_prior: expected greater than or equal to 0.001, got 0"),
    ("map that starts full", edited("datasets.ucf101.model.foreground_prior", 1.0),
     "datasets.ucf101.model.foreground_prior: expected less than or equal to 0.999, got 1.0"),
    ("new layers that stand still", edited("datasets.ucf101.train.new_layers_lr", 0.0),
     "datasets.ucf101.train.new_layers_lr: expected greater than 0, got 0.0"),
    ("unknown schedule", edited("datasets.ucf101.train.schedule", "linear"),
     "datasets.ucf101.train.schedule: expected 'constant' or 'cosine', got 'linear'"),
    ("threshold below what is stored", edited("datasets.ucf101.mask.score_threshold", 0.01),
     "datasets.ucf101.mask.score_threshold: expected at least segment.score_floor (0.05), got 0.01"),
    ("the same for torchvision", edited("datasets.folder.mask.score_threshold", 0.04),
     "datasets.folder.mask.score_threshold: expected at least segment.score_floor (0.05), got 0.04"),
    ("missing parameter", edited("datasets.ucf101.decode.quality", ...),
     "datasets.ucf101.decode.quality: missing"),
    ("no embedded data", edited("datasets.synthetic", ...).replace("dataset: synthetic", "dataset: ucf101"),
     "datasets.synthetic: missing (the embedded data)"),
    ("tag that does not fit", TEXT.replace("dataset: synthetic", "dataset: !!float synthetic"),
     "not valid YAML: could not convert string to float: 'synthetic'"),
    ("not YAML", "dataset: [synthetic\nloss: {",
     "line 2, column 5: not valid YAML: expected ',' or ']', but got ':'"),
    ("key given twice", TEXT.replace("  pc: false", "  pc: false\n  pc: true", 1),
     "line 10, column 3: not valid YAML: key 'pc' given twice"),
    ("not a mapping", "- 1\n- 2\n",
     "expected a mapping of parameters, got [1, 2]"),
    ("empty file", "", "expected a mapping of parameters, got nothing"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "fault"), [case[1:] for case in BROKEN], ids=[case[0] for case in BROKEN])
def test_broken_file_gives_one_line_with_the_full_key(text: str, fault: str) -> None:
    with pytest.raises(ParamsError) as error:
        parse_params(text)
    assert str(error.value).splitlines() == [f"params.yaml: {fault}"]


def test_a_semantic_model_has_a_block_of_its_own_and_a_least_threshold() -> None:
    values = read_yaml(TEXT)
    values["datasets"]["folder"]["segment"] = SEMANTIC
    assert parse_params(yaml.safe_dump(values)).datasets["folder"].segment.model_dump() == SEMANTIC
    values["datasets"]["folder"]["mask"]["score_threshold"] = 0.04
    with pytest.raises(ParamsError) as error:
        parse_params(yaml.safe_dump(values))
    assert str(error.value) == (
        "params.yaml: datasets.folder.mask.score_threshold: expected at least 0.05 (lraspp_mobilenet_v3_large stores "
        "no lower probability), got 0.04"
    )


def test_all_faults_come_out_together() -> None:
    values = read_yaml(TEXT)
    values["dataset"] = "nowhere"
    values["datasets"]["ucf101"]["train"]["epoks"] = 1
    values["datasets"]["ssv2"]["data"]["flip"] = 2
    with pytest.raises(ParamsError) as error:
        parse_params(yaml.safe_dump(values))
    lines = str(error.value).splitlines()
    assert len(lines) == 3
    assert {line.split(": ")[1] for line in lines} == {
        "dataset",
        "datasets.ucf101.train.epoks",
        "datasets.ssv2.data.flip",
    }


@pytest.mark.parametrize(
    ("path", "value"),
    [("table.controls", []), ("datasets.synthetic.model.frozen", "res3"), ("datasets.ucf101.model.frozen", "res4"),
     ("datasets.synthetic.model.frozen", None), ("datasets.synthetic.train.new_layers_lr", None)],
)  # fmt: skip
def test_what_is_allowed(path: str, value: object) -> None:
    params = parse_params(edited(path, value)).model_dump()
    for key in path.split("."):
        params = params[key]
    assert params == value


def test_what_a_control_changes_need_fit_only_the_data_set_whose_table_names_it() -> None:
    fits_real_data = edited("controls.mask-max.set", {"data.crop": 224})  # the embedded data's frames are smaller
    assert parse_params(fits_real_data).controls["mask-max"].set == {"data.crop": 224}
    named = ["table.controls=[mask-max]"]
    assert parse_params(fits_real_data, overrides=[*named, "dataset=ucf101"]).dataset == "ucf101"
    lines = ["short_side_min: expected at least crop (224), got 112"]
    with pytest.raises(ParamsError) as error:
        parse_params(fits_real_data, overrides=named)
    assert str(error.value).splitlines() == [f"params.yaml: controls.mask-max.set.data.{line}" for line in lines]
    params = parse_params(fits_real_data)
    with pytest.raises(ParamsError, match=r"^params.yaml: controls.mask-max.set.data.short_side_min: "):
        control_and_block(params, params.datasets["synthetic"], "mask-max")
    control, block = control_and_block(params, params.datasets["ucf101"], "mask-max")
    assert (control.attention, block) == ("mask", params.datasets["ucf101"])


def test_true_masks_need_the_truth_of_the_data_set_whose_table_names_them() -> None:
    line = (
        "params.yaml: controls.human-masks.masks.of: expected own or motion (the data set's truth is null), got 'truth'"
    )
    named = ["table.controls=[human-masks]"]
    params = parse_params(TEXT, overrides=named)
    assert control_and_block(params, params.datasets["synthetic"], "human-masks")[0].masks == TrueMasks(
        of="truth", shift=0.0, drop=0.0
    )
    with pytest.raises(ParamsError) as error:
        parse_params(TEXT, overrides=[*named, "dataset=ucf101"])
    assert str(error.value) == line
    with pytest.raises(ParamsError) as error:
        control_and_block(params, params.datasets["ucf101"], "human-masks")
    assert str(error.value) == line
    assert parse_params(TEXT, overrides=["table.controls=[motion-masks]", "dataset=ucf101"]).dataset == "ucf101"


@pytest.mark.parametrize(
    ("text", "value"),
    [("1e-4", 1e-4), ("1.0e-4", 1e-4), ("1E3", 1000.0), ("-.5", -0.5), ("5.", 5.0), ("12", 12), ("-3", -3),
     ("true", True), ("null", None), ("yes", "yes"), ("on", "on"), ("012", "012"), ("1:30", "1:30"), ("0x10", "0x10"),
     ("2026-11-22", "2026-11-22"), (".inf", float("inf"))],
)  # fmt: skip
def test_scalars_are_those_of_yaml_1_2(text: str, value: object) -> None:
    parsed = read_yaml(f"key: {text}")["key"]
    assert parsed == value
    assert type(parsed) is type(value)


def test_the_papers_values_stand_in_the_file() -> None:
    params = load_params(ROOT / "params.yaml")
    ucf, ssv2 = params.datasets["ucf101"], params.datasets["ssv2"]
    for dataset in (ucf, ssv2):
        assert (dataset.data.num_frames, dataset.data.crop, dataset.data.short_side_eval) == (16, 224, 256)
        assert (dataset.data.short_side_min, dataset.data.short_side_max) == (256, 320)
        assert (dataset.model.width_factor, dataset.model.depth_factor, dataset.model.split) == (2.0, 2.2, "res4")
        assert (dataset.model.pretrained, dataset.model.dropout) == ("kinetics400", 0.5)
        assert dataset.loss_weights.model_dump() == {
            "attention": 1, "background": 1, "mask": 10, "mha": 10, "pc": 1e-4, "pc1": 1, "pc2": 1e-3,
            "even": 0,
        }  # fmt: skip
        assert (dataset.train.weight_decay, dataset.train.pc_centroids, dataset.train.pc_between) == (0, "one", True)
        assert (dataset.model.attention_convs, dataset.model.feature_pool, dataset.eval.start) == (3, "mean", "random")
        assert (dataset.eval.entropy_bins, dataset.eval.entropy_size) == (10, None)
        assert (dataset.segment.backend, dataset.segment.weights) == ("detectron2", "zoo")
        assert dataset.segment.model == "COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_3x.yaml"
        assert (dataset.train.lr, dataset.train.batch_size, dataset.mask.score_threshold) == (1e-4, 16, 0.5)
    assert (ucf.data.frame_stride, ucf.data.flip, ucf.train.epochs) == (4, 0.5, 50)
    assert (ssv2.data.frame_stride, ssv2.data.flip, ssv2.train.epochs) == (2, 0.0, 25)


def test_parameters_are_frozen() -> None:
    params = load_params(ROOT / "params.yaml")
    with pytest.raises(ValueError, match="frozen"):
        params.datasets["ucf101"].train.epochs = 3


def test_audits_are_of_rows_without_pc() -> None:
    values = read_yaml(TEXT)
    values["loss"]["pc"] = True
    values["table"].update(pc=[True], audits=["rows"])
    message = "table.audits: expected [] without false in pc (they are of rows without PC), got ['rows']"
    with pytest.raises(ParamsError, match=re.escape(message)):
        parse_params(yaml.safe_dump(values), "params.yaml")


def test_the_audit_of_backgrounds_stands_alone() -> None:
    values = read_yaml(TEXT)
    values["table"]["audits"] = ["backgrounds"]
    assert parse_params(yaml.safe_dump(values), "params.yaml").table.audits == ["backgrounds"]
    values["table"]["audits"] = ["rows", "backgrounds"]
    message = "table.audits: expected rows or backgrounds (rows has both), got ['rows', 'backgrounds']"
    with pytest.raises(ParamsError, match=re.escape(message)):
        parse_params(yaml.safe_dump(values), "params.yaml")


def test_a_null_block_is_set_as_a_whole() -> None:
    line = "datasets.ucf101.truth: is null; set all of the block at once: -S 'datasets.ucf101.truth={NAME: VALUE, ...}'"
    with pytest.raises(ParamsError) as error:
        parse_params(TEXT, overrides=["datasets.ucf101.truth.store=a/b"])
    assert str(error.value) == f"-S datasets.ucf101.truth.store=a/b: {line}"
    with pytest.raises(ParamsError, match=r"datasets.ucf101.truht: not a known block of parameters$"):
        parse_params(TEXT, overrides=["datasets.ucf101.truht.store=a/b"])
    block = "{store: a/b, score_threshold: 0.5, groups: [person]}"
    truth = parse_params(TEXT, overrides=[f"datasets.ucf101.truth={block}"]).datasets["ucf101"].truth
    assert truth is not None
    assert truth.model_dump() == {"store": "a/b", "score_threshold": 0.5, "groups": ["person"]}


def test_the_same_block_is_set_by_dvc(tmp_path: Path) -> None:
    """`dvc exp run -S` has a grammar of its own, of Hydra."""
    from dvc.utils.hydra import apply_overrides

    path = tmp_path / "params.yaml"
    path.write_text(TEXT)
    given = "datasets.ucf101.truth={store: a/b, score_threshold: 0.5, groups: [person]}"
    apply_overrides(path, [given])
    assert load_params(path).model_dump() == parse_params(TEXT, overrides=[given]).model_dump()
