"""`objabn export`: the files' answers are PyTorch's, at any batch; what they say of themselves; and what is refused."""

import contextlib
import dataclasses
import importlib.util
import io
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from packaging.requirements import Requirement
from torch import nn

from objabn.__main__ import main
from objabn.config.schema import Dataset
from objabn.evaluation.trained import SHIPPED, TrainedRun, load
from objabn.explanation.explain import explain
from objabn.explanation.models import load_model
from objabn.export import export as module
from objabn.export import formats
from objabn.export.clips import clips_of, own_videos
from objabn.export.export import batches, export
from objabn.export.graph import outputs
from objabn.export.notes import preprocessing, run_name
from objabn.model.interface import frame_maps
from objabn.model.run import Run, build_model, run_record, save_run
from objabn.networks.adapter import Adapter
from objabn.system.files import file_digest
from objabn.video.write import write_video
from tests.helpers.runs import CLASSES, CROP, STORED, STRIDE, T, parameters, write_run
from tests.helpers.videos import moving_bar

PAGE = Path(__file__).parents[2] / "docs/export.md"


@pytest.fixture(scope="module")
def folder(synthetic: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of small networks, and a video of 48 x 64 pixels: `mha` an X3D, `plain` and `steps` a ResNet."""
    root = tmp_path_factory.mktemp("export")
    write_run(root / "runs/ds/mha/pc-false/seed-0", with_model(synthetic), "mha", pc=False)
    write_other(root / "runs/ds/plain/pc-false/seed-0", synthetic, "plain")
    write_other(root / "runs/ds/steps", synthetic, "mha")
    write_video(root / "bar.mp4", moving_bar(30))
    return root


def with_model(synthetic: Dataset, **settings: Any) -> Dataset:
    """Parameters of a small X3D with one block a stage, since a graph takes time to make for each layer."""
    values = parameters(synthetic).model_dump()
    values["model"] |= {"depth_factor": 0.2, **settings}
    if "backbone" in settings:
        values["gradcam"]["layer"] = "layer4"
    return Dataset.model_validate(values)


def write_other(directory: Path, synthetic: Dataset, row: str, **settings: Any) -> None:
    """Write a run of a small ResNet, whose maps have fewer steps than frames."""
    params = with_model(synthetic, backbone=f"{PAGE.parent}/models/small_r3d.py:backbone", split="layer3", **settings)
    torch.manual_seed(0)
    run = Run(params, row, False, 0)
    network = build_model(run, len(CLASSES))
    if network.attention_branch is not None:
        nn.init.normal_(network.attention_branch.map_head[0].weight, 0, 0.5)
    directory.mkdir(parents=True)
    save_run(directory, network, run_record(run, CLASSES, []))


def write_x3d(directory: Path, synthetic: Dataset, row: str, **settings: Any) -> None:
    """Write a run of a small X3D."""
    write_run(directory, with_model(synthetic, **settings), row, pc=row != "plain")


def command(folder: Path, *arguments: str) -> list[str]:
    """The lines that the command prints in a folder, after it succeeded."""
    said = io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(said):
        assert main(["export", *arguments]) == 0
    return said.getvalue().splitlines()


@pytest.fixture(scope="module")
def printed(folder: Path) -> list[str]:
    """What the export of `mha` prints, in a folder that is no checkout."""
    return command(folder, "runs/ds/mha/pc-false", "--format", "onnx", "--videos", "bar.mp4")


@pytest.fixture
def onnx_file(folder: Path, printed: list[str]) -> Path:
    return folder / "exported/ds-mha-pc-false-seed-0.onnx"


def some_clips(number: int) -> torch.Tensor:
    return torch.randn(number, 3, T, CROP, CROP, generator=torch.Generator().manual_seed(number))


def answers(path: Path, clips: torch.Tensor) -> tuple[list[np.ndarray], dict[str, Any]]:
    """What onnxruntime makes of a file, and the notes in it."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {"clips": clips.numpy()}), json.loads(
        session.get_modelmeta().custom_metadata_map["objabn.json"]
    )


def test_the_command_says_what_it_compared_and_wrote(printed: list[str], onnx_file: Path) -> None:
    largest = r"largest difference from PyTorch: logits \d\.\de-\d\d, maps \d\.\de-\d\d"
    expected = [
        "run: runs/ds/mha/pc-false/seed-0",
        "checked on bar.mp4",
        f"batch 1: {largest}",
        f"batch 5: {largest}",
        re.escape(f"input clips: float32 (batch, 3, {T}, {CROP}, {CROP})"),
        re.escape(f"output logits: float32 (batch, {len(CLASSES)})"),
        re.escape(f"output maps: float32 (batch, 3, {T}, 4, 4)"),
        r"exported/ds-mha-pc-false-seed-0\.onnx: \d\.\d MB, ONNX, opset 18",
    ]
    assert len(printed) == len(expected)
    for line, pattern in zip(printed, expected, strict=True):
        assert re.fullmatch(pattern, line), line
    assert [path.name for path in onnx_file.parent.iterdir()] == [onnx_file.name]


@pytest.mark.parametrize("number", [1, 5])
def test_onnxruntime_gives_pytorchs_logits_and_maps(folder: Path, onnx_file: Path, number: int) -> None:
    clips = some_clips(number)
    (logits, maps), _ = answers(onnx_file, clips)
    with torch.no_grad():
        expected = load(folder / "runs/ds/mha/pc-false", device="cpu").model(clips)
    assert (logits.dtype, maps.dtype) == (np.float32, np.float32)
    np.testing.assert_allclose(logits, expected.perception_logits.numpy(), rtol=0, atol=1e-4)
    np.testing.assert_allclose(maps, expected.maps.numpy(), rtol=0, atol=1e-4)
    assert 0 <= maps.min() < maps.max() <= 1
    assert np.ptp(maps, axis=(2, 3, 4)).min() > 0.01  # no map is constant, so an equal one says something


def test_what_a_file_says_of_itself(onnx_file: Path, folder: Path) -> None:
    notes = answers(onnx_file, some_clips(1))[1]
    assert notes["class_names"] == CLASSES
    assert notes["map_names"] == list(notes["map_meanings"]) == ["u", "o", "b"]
    assert notes["preprocess"] == {
        "decode_stride": 1, "num_frames": T, "frame_stride": STRIDE, "pad": "last", "resize": list(STORED),
        "short_side": 36, "crop": CROP, "mean": 0.45, "std": 0.225,
    }  # fmt: skip
    assert notes["inputs"]["clips"]["shape"] == ["batch", 3, T, CROP, CROP]
    assert notes["outputs"]["maps"]["shape"] == ["batch", 3, T, 4, 4]
    row = {"attention": "mha", "pc": False, "seed": 0, "control": None, "masks": "own", "labels": "own", "fold": None}
    assert notes["row"] == row
    assert notes["weights_digest"] == file_digest(folder / "runs/ds/mha/pc-false/seed-0/model.safetensors")
    assert notes["run"] == "ds/mha/pc-false/seed-0"
    assert notes["versions"]["torch"] == torch.__version__
    assert str(folder).encode() not in onnx_file.read_bytes()  # no path of the machine that wrote it
    assert str(PAGE.parents[1]).encode() not in onnx_file.read_bytes()


def test_the_graph_has_standard_operators_and_named_axes(onnx_file: Path) -> None:
    import onnx

    model = onnx.load(onnx_file)
    onnx.checker.check_model(model, full_check=True)
    assert [(each.domain, each.version) for each in model.opset_import] == [("", 18)]
    assert {node.domain for node in model.graph.node} == {""}
    names = [each.type.tensor_type.shape.dim[0].dim_param for each in (*model.graph.input, *model.graph.output)]
    assert names == ["batch"] * 3
    assert {node.op_type for node in model.graph.node} <= {
        "Conv", "BatchNormalization", "Relu", "Sigmoid", "Mul", "Add", "ReduceMean", "AveragePool", "MatMul", "Reshape",
        "Transpose", "Concat", "Slice", "Squeeze", "Unsqueeze", "Shape",
    }  # fmt: skip


def test_the_pages_program_finds_what_explain_finds(folder: Path, onnx_file: Path, tmp_path: Path) -> None:
    """Without this package: it prepares the first clip of a video by the notes alone."""
    program = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)[0]
    (tmp_path / "classify.py").write_text(f"import sys\nsys.modules['objabn'] = None\n{program}")
    command = [sys.executable, "classify.py", str(onnx_file), str(folder / "bar.mp4")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = explain(folder / "bar.mp4", load(folder / "runs/ds/mha/pc-false", device="cpu")).clip_probabilities[0]
    expected = [(CLASSES[number], found[number]) for number in np.argsort(-found)[:3]]
    for line, (name, probability) in zip(done.stdout.splitlines(), expected, strict=True):
        said, _, share = line.rpartition(" ")
        assert said == name
        assert float(share) == pytest.approx(probability, abs=2e-4)
    assert (tmp_path / "map.png").stat().st_size > 100


@pytest.mark.parametrize(
    ("height", "stride", "pad", "frames"),
    [(64, 1, "last", 30), (64, 2, "last", 9), (64, 2, "loop", 9), (32, 3, "loop", 30)],
)
def test_the_page_prepares_a_clip_as_the_network_sees_it(
    run: TrainedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, height: int, stride: int, pad: str, frames: int
) -> None:
    """One side shrinks where the other grows; every second frame of a video is kept, and it is shorter than a clip."""
    blocks = {"decode": {"height": height, "stride": stride}, "data": {"pad": pad}}
    changes = {name: getattr(run.params, name).model_copy(update=block) for name, block in blocks.items()}
    run = dataclasses.replace(run, params=run.params.model_copy(update=changes))
    notes, seen = {"preprocess": preprocessing(run), "class_names": CLASSES}, []

    class Session:
        def __init__(self, *given: Any, **settings: Any) -> None:
            self.custom_metadata_map = {"objabn.json": json.dumps(notes)}

        def get_modelmeta(self) -> "Session":
            return self

        def run(self, names: None, clips: dict[str, np.ndarray]) -> list[np.ndarray]:
            seen.append(clips["clips"])
            return [np.zeros((1, len(CLASSES)))]

    monkeypatch.chdir(tmp_path)
    write_video(Path("bar.mp4"), moving_bar(frames))
    monkeypatch.setitem(sys.modules, "onnxruntime", SimpleNamespace(InferenceSession=Session))
    monkeypatch.setattr(sys, "argv", ["classify.py", "a.onnx", "bar.mp4"])
    exec(re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)[0], {})
    ((expected, *_),), _ = clips_of(run, [Path("bar.mp4")])
    assert np.abs(seen[0][0] - expected.numpy()).max() < 0.01  # a level of 255 is 0.017


@pytest.mark.parametrize(
    ("directory", "name"),
    [
        ("/home/runs/me/ds/mask/pc-false/seed-0", "pc-false/seed-0"),
        ("/runs/a/runs/ds/controls/plain/seed-1/fold-2", "ds/controls/plain/seed-1/fold-2"),
        ("/home/runs/shared/mask-0", "mask-0"),
        ("/home/shared/mask/seed-1/fold-2", "mask/seed-1/fold-2"),
        ("/opt/runs/venv/lib/objabn/assets/eight_drawn_actions", "eight_drawn_actions"),
    ],
)
def test_the_name_of_a_run(directory: str, name: str) -> None:
    assert run_name(Path(directory)) == name


@pytest.mark.slow  # seconds; each row in either format is below
def test_a_run_without_an_attention_branch_has_logits_alone(folder: Path) -> None:
    printed = command(folder, "runs/ds/plain/pc-false", "--out", "plain.onnx")
    assert (
        "no maps: the network has no attention branch, and Grad-CAM needs gradients, which a graph has not" in printed
    )
    assert printed[1] == "checked on 3 drawn videos"
    clips, run = some_clips(5), load(folder / "runs/ds/plain/pc-false", device="cpu")
    (logits,), notes = answers(folder / "plain.onnx", clips)
    with torch.no_grad():
        np.testing.assert_allclose(logits, run.model(clips).perception_logits.numpy(), rtol=0, atol=1e-4)
    assert (notes["map_names"], list(notes["outputs"])) == ([], ["logits"])


@pytest.mark.slow  # seconds; a small network in pt2 is below
def test_pt2_gives_the_same_at_any_batch_and_a_map_for_each_frame(folder: Path) -> None:
    printed = command(folder, "runs/ds/steps", "--format", "pt2", "--out", "steps.pt2", "--videos", "bar.mp4")
    assert printed[-1].endswith(" MB, ATen, as torch.export has it")
    notes = {"objabn.json": ""}
    network = torch.export.load(folder / "steps.pt2", extra_files=notes).module()
    run = load(folder / "runs/ds/steps", device="cpu")
    assert run.model.map_frames < T
    for number in (1, 5):
        clips = some_clips(number)
        with torch.no_grad():
            expected = run.model(clips)
            logits, maps = network(clips)
        torch.testing.assert_close(logits, expected.perception_logits, rtol=0, atol=1e-4)
        torch.testing.assert_close(maps, frame_maps(expected.maps, T), rtol=0, atol=1e-4)
        assert maps.amin(dim=(0, 2, 3, 4)).lt(maps.amax(dim=(0, 2, 3, 4)) - 0.01).all()
    notes = json.loads(notes["objabn.json"])
    assert (notes["class_names"], notes["outputs"]["maps"]["shape"][1:3]) == (CLASSES, [3, T])
    assert str(PAGE.parents[1]).encode() not in (folder / "steps.pt2").read_bytes()


@pytest.fixture
def run(folder: Path) -> TrainedRun:
    return load(folder / "runs/ds/mha/pc-false", device="cpu")


@pytest.fixture
def video(folder: Path) -> Path:
    return folder / "bar.mp4"


@pytest.fixture
def written_by_another(folder: Path, synthetic: Dataset, monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Makes the file one of a network whose logits are off by so much; nothing is traced, which takes seconds."""

    def put(off: float) -> None:
        other = load(folder / "runs/ds/mha/pc-false", device="cpu").model

        def runner(clips: torch.Tensor) -> list[torch.Tensor]:
            with torch.no_grad():
                logits, maps = outputs(other, clips)
            return [logits + off * (len(clips) == 5), maps]

        monkeypatch.setattr(module, "trace", lambda *given: None)
        monkeypatch.setattr(module, "write", lambda program, names, notes, path, kind: path.write_text("a graph"))
        monkeypatch.setattr(module, "open_file", lambda path, kind: (runner, {}))

    return put


def test_a_file_that_differs_from_pytorch_is_not_written(
    run: TrainedRun, video: Path, tmp_path: Path, written_by_another: Callable[[float], None]
) -> None:
    written_by_another(2e-4)
    message = r"^format pt2: expected PyTorch's answers within 1e-04, got 2\.0e-04 in logits at batch 5; not written$"
    with pytest.raises(ValueError, match=message):
        export(run, tmp_path / "a.pt2", file_format="pt2", videos=[video])
    assert list(tmp_path.iterdir()) == []
    written_by_another(float("nan"))
    with pytest.raises(ValueError, match="its logits are not finite: its training went wrong"):
        export(run, tmp_path / "a.pt2", file_format="pt2", videos=[video])
    assert list(tmp_path.iterdir()) == []
    written_by_another(5e-5)
    done = export(run, tmp_path / "a.pt2", file_format="pt2", videos=[video])
    assert (done.path.read_text(), done.differences[1]["logits"]) == ("a graph", 0)
    assert done.differences[5]["logits"] == pytest.approx(5e-5, abs=1e-5)


def test_other_weights_are_noticed(
    run: TrainedRun, video: Path, tmp_path: Path, written_by_another: Callable[[float], None]
) -> None:
    written_by_another(0)
    with torch.no_grad():
        run.model.perception_branch[-1].proj.bias.add_(0.01)
    with pytest.raises(ValueError, match=r"got \d\.\de-0\d in logits at batch 1; not written"):
        export(run, tmp_path / "a.pt2", file_format="pt2", videos=[video])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["runs/ds/none"], "run runs/ds/none: expected a run's directory (model.safetensors and run.json) or its "
                           "parent (seed-0, ...), found nothing"),
        (["--out", "a.pt2"], "out: expected a name that ends with .onnx, got a.pt2"),
        (["--out", "runs"], "out: expected a file to write, got the directory runs"),
        (["--out", "there.onnx"], "out: expected no file there, found there.onnx; --force replaces it"),
        (["--out", "there.onnx/a/b.onnx"], "out: expected a file in a directory, got there.onnx/a/b.onnx, where "
                                           "there.onnx is a file"),
        (["--size", "112"], "--size: expected --model beside it, got a run, which sees clips as it was trained"),
        (["runs", "--model", "a.py:b"], "export: expected RUN or --model, got both, runs and a.py:b"),
        (["--format", "pt2", "--videos", "there.onnx"], "there.onnx: not a video"),
    ],
)  # fmt: skip
def test_a_fault_is_one_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(folder)
    Path("there.onnx").write_text("somebody else's")
    assert main(["export", *arguments]) == 2
    assert capsys.readouterr().err.splitlines()[0].startswith(message)
    assert Path("there.onnx").read_text() == "somebody else's"


def test_an_unknown_format(capsys: pytest.CaptureFixture, run: TrainedRun, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["export", "--format", "tflite"])
    assert "invalid choice: 'tflite' (choose from " in capsys.readouterr().err
    with pytest.raises(ValueError, match=r"^format: expected onnx or pt2, got 'tflite'$"):
        export(run, tmp_path / "a.tflite", file_format="tflite")


def test_without_the_extra_there_is_a_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr("objabn.export.formats.find_spec", lambda name: None if name == "onnxscript" else find(name))
    assert main(["export"]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line == (
        "format onnx: expected onnx, onnxscript, onnxruntime to be installed, found no onnxscript; "
        "`pip install '.[export]'` in a checkout of objabn; pt2 needs none of them"
    )


def test_the_lock_and_the_ranges_of_the_extra_agree() -> None:
    root = PAGE.parents[1]
    ranges = tomllib.loads((root / "pyproject.toml").read_text())["project"]["optional-dependencies"]["export"]
    lines = [line for line in (root / "requirements-export.txt").read_text().splitlines() if line[0] != "#"]
    pins = {Requirement(line).name: next(iter(Requirement(line).specifier)).version for line in lines}
    assert {Requirement(each).name: Requirement(each).specifier for each in ranges}.keys() == pins.keys()
    assert all(Requirement(each).specifier.contains(pins[Requirement(each).name]) for each in ranges)
    assert set(pins) == set(formats.PACKAGES)


def test_batches_have_each_video_in_them() -> None:
    clips = [[torch.tensor([10.0 * video + number]) for number in range(2)] for video in range(3)]
    assert [batch.flatten().tolist() for batch in batches(clips, 1)] == [[0], [10], [20]]
    assert [batch.flatten().tolist() for batch in batches(clips, 5)] == [[0, 10, 20, 1, 11]]
    short = [each[:1] for each in clips]
    assert [batch.flatten().tolist() for batch in batches(short, 5)] == [[0, 10, 20, 0, 10]]
    assert len(batches(clips * 2, 5)) == 2


def test_the_videos_of_a_runs_data_set(folder: Path, run: TrainedRun) -> None:
    """Three test videos far apart, once there is an index beside the run and the files are there."""
    assert own_videos(run) == own_videos(load(SHIPPED, device="cpu")) == []
    rows = [f"{split}{number},{split}{number}.mp4,jump,{split}" for split in ("train", "test") for number in range(6)]
    index = folder / "data/ds/index.csv"
    (index.parent / "videos").mkdir(parents=True)
    index.write_text("\n".join(["video,path,label,split", *rows]))
    try:
        assert own_videos(run) == []
        for number in (0, 2, 4):
            write_video(index.parent / f"videos/test{number}.mp4", moving_bar(8 + number))
        clips, words = clips_of(run, [])
        assert words == "test0.mp4, test2.mp4, test4.mp4"
        assert [len(each) for each in clips] == [1, 2, 2]
        assert {tuple(clip.shape) for each in clips for clip in each} == {(3, T, CROP, CROP)}
        for name, words in (("test2", "test0.mp4, test4.mp4"), ("test0", "test4.mp4"), ("test4", "3 drawn videos")):
            (index.parent / f"videos/{name}.mp4").write_text("broken")
            clips, found = clips_of(run, [])
            assert (found, bool(clips)) == (words, True)
    finally:
        index.unlink()


class _Small(nn.Module):
    """A network without what is hard to trace."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv3d(3, 4, (1, 4, 4), (1, 4, 4))
        self.head = nn.Linear(4, 3)

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        return self.head(self.stem(clips).relu().mean(dim=(2, 3, 4)))


class _Counting(_Small):
    """A network that asks how many clips it got."""

    def __init__(self) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.ones(1, 3))

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        return self.token.expand(len(clips), -1) + super().forward(clips)


@pytest.mark.parametrize("network", [_Small, pytest.param(_Counting, marks=pytest.mark.slow)])  # seconds: strict mode
def test_a_network_from_elsewhere(folder: Path, tmp_path: Path, network: type[nn.Module]) -> None:
    """Its own normalisation is in the graph; a number of clips that it asks for is no constant."""
    model = load_model(Adapter(network(), num_frames=T, size=CROP, spec="counting"), device="cpu")
    done = export(model, tmp_path / "a.pt2", file_format="pt2", videos=[folder / "bar.mp4"])
    found = torch.export.load(done.path).module()
    clips = some_clips(4)
    with torch.no_grad():
        torch.testing.assert_close(found(clips)[0], model.model(clips).perception_logits)
    assert done.notes["preprocess"]["resize"] is None
    assert done.notes["row"]["spec"] == "counting"
    assert done.notes["weights_digest"] is None


@pytest.mark.slow  # a minute
@pytest.mark.parametrize("file_format", ["onnx", "pt2"])
@pytest.mark.parametrize("row", ["plain", "abn", "mask", "mha"])
@pytest.mark.parametrize("write", [write_other, write_x3d])
def test_rows_of_either_backbone(
    synthetic: Dataset, tmp_path: Path, row: str, file_format: str, write: Callable[..., None]
) -> None:
    how = {"abn": "residual", "mask": "energy"}.get(row, "multiply")
    write(tmp_path / "a run", synthetic, row, attention_apply=how)
    run = load(tmp_path / "a run", device="cpu")
    done = export(run, tmp_path / f"a.{file_format}", file_format=file_format)
    names = {"logits"} if row == "plain" else {"logits", "maps"}
    assert {name for each in done.differences.values() for name in each} == names == set(done.notes["outputs"])
    assert max(difference for each in done.differences.values() for difference in each.values()) <= 1e-4
    clips = some_clips(5)
    found = answers(done.path, clips)[0] if file_format == "onnx" else torch.export.load(done.path).module()(clips)
    assert [list(each.shape[1:]) for each in found] == [each["shape"][1:] for each in done.notes["outputs"].values()]
