"""The segmenter's library, weights and masks, for each backend."""

import json
import shlex
import shutil
from importlib.machinery import ModuleSpec
from pathlib import Path

import numpy as np
import pytest

from objabn.config.segmenters import Motion
from objabn.preflight import segmenter
from objabn.preflight.data import read
from objabn.preflight.segmenter import motion_instead, segmenter_downloads, segmenter_findings
from objabn.stores.array import StoreWriter
from tests.helpers.mask_files import coco, joined, label_studio, write, write_npz
from tests.helpers.preflight import given, write_index
from tests.helpers.puppets import columns, write_puppets

KEY = "datasets.folder.segment"
IMPORT = (
    "datasets.folder.segment={{backend: import, masks: masks, format: {}, class_name: person, sparse: none, "
    "images: null, groups: null}}"
)
SEMANTIC = (
    "datasets.folder.segment={backend: torchvision, stride: 1, weights: zoo, model: deeplabv3_resnet50, "
    "short_edge: 520, batch_size: 4}"
)


def look(*overrides: str, name: str = "folder") -> list[tuple[str, str]]:
    index = read(name)[0] if Path("data", name, "index.csv").is_file() else None
    found = segmenter_findings(name, given(*overrides).datasets[name], index)
    return [(each.level, each.line) for each in found]


def installed(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    specs = {name: ModuleSpec(name, None) for name in names}
    monkeypatch.setattr(segmenter.importlib.util, "find_spec", specs.get)


def test_libraries_that_are_not_installed(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch)
    found = look("datasets.ucf101.machine.segment_engine=ray", name="ucf101")
    assert [level for level, _ in found] == ["fault", "fault"]
    assert found[0][1] == (
        "datasets.ucf101.machine.segment_engine: expected ray to be installed, found no such library; "
        "`pip install -r requirements-ray.txt`, or local"
    )
    assert found[1][1] == (
        "datasets.ucf101.segment.backend: expected detectron2 to be installed, found no such library; `make "
        "detectron2` builds it; or segment what moves before a still camera, without weights: "
        "`python -m objabn repro -S 'datasets.ucf101.segment={backend: motion, stride: 1, threshold: 25.0, min_area: "
        "0.002}'`"
    )


@pytest.mark.parametrize("name", ["synthetic", "ucf101", "folder"])
def test_what_takes_motion_instead_is_accepted(place: Path, name: str) -> None:
    """Whatever groups counted before: `synthetic` has persons only."""
    before = given().datasets[name]
    words = motion_instead(name, before)
    command = words.partition("`python -m objabn repro ")[2].removesuffix("`")
    settings = [word for word in shlex.split(command) if word != "-S"]
    after = given(*settings).datasets[name]
    assert isinstance(after.segment, Motion)
    assert after.segment.stride == before.segment.stride
    assert set(after.mask.groups) == {*before.mask.groups, "other"}
    assert len(settings) == 2 - ("other" in before.mask.groups)


def test_a_library_that_cannot_be_imported(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as one that was built against another torch."""
    from objabn.segmentation.segmenters import detectron2

    def broken() -> None:
        raise ValueError("segmenter detectron2: the library cannot be imported (undefined symbol: _ZN3c10)")

    installed(monkeypatch, "detectron2")
    monkeypatch.setattr(detectron2, "_library", broken)
    assert look(name="ucf101") == [
        (
            "fault",
            "datasets.ucf101.segment: segmenter detectron2: the library cannot be imported (undefined symbol: _ZN3c10)",
        )
    ]


def test_downloads_by_backend(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch)
    names = {}
    for name in ("synthetic", "ucf101", "folder", "quick"):
        names[name] = [each.path.name for each in segmenter_downloads(name, given().datasets[name])]
    assert names == {
        "synthetic": [],
        "ucf101": ["model_final_f10217.pkl"],
        "folder": ["maskrcnn_resnet50_fpn_v2_coco-73cbd019.pth"],
        "quick": [],
    }
    (download,) = segmenter_downloads("folder", given(SEMANTIC).datasets["folder"])
    assert download.path.name == "deeplabv3_resnet50_coco-cd0a2569.pth"
    assert download.instead == motion_instead("folder", given().datasets["folder"])
    unknown = given("datasets.ucf101.segment.model=other.yaml").datasets["ucf101"]  # its address only detectron2 knows
    assert segmenter_downloads("ucf101", unknown) == []


def test_weights_that_are_a_file(place: Path) -> None:
    expected = "zoo or the path of weights of maskrcnn_resnet50_fpn_v2"
    instead = motion_instead("folder", given().datasets["folder"])
    line = f"{KEY}.weights: expected {expected}, got 'no.pth': no such file; or {instead}"
    assert look(f"{KEY}.weights=no.pth") == [("fault", line)]
    assert look(f"{KEY}.model=figures") == [
        ("fault", f"{KEY}.weights: expected the path of weights of figures, which no zoo has, got zoo; or {instead}")
    ]
    Path("w.pth").write_bytes(b"weights")
    Path("w.json").write_text(json.dumps({"inference": {}}))  # the recipe of a pretraining: nothing is loaded
    assert look(f"{KEY}.model=figures", f"{KEY}.weights=w.pth") == [("ok", f"{KEY}.weights: w.pth")]


def test_weights_of_another_model_are_loaded_and_named(place: Path) -> None:
    import torch

    torch.save({"roi_heads.box_predictor.cls_score.weight": torch.zeros(2, 3)}, "w.pth")
    ((level, line),) = look(f"{KEY}.weights=w.pth", f"{KEY}.model=figures")
    assert level == "fault"
    assert line.startswith(f"{KEY}.weights: w.pth: does not fit figures: ")
    ((level, line),) = look(SEMANTIC, f"{KEY}.weights=w.pth")
    assert level == "fault"
    assert line.startswith(f"{KEY}.weights: w.pth: does not fit deeplabv3_resnet50: ")
    assert look(SEMANTIC) == []  # its download is asked for elsewhere


@pytest.mark.parametrize("form", ["png", "coco"])
def test_masks_to_import(place: Path, form: str) -> None:
    ((level, line),) = look(IMPORT.format(form))
    kind = (
        "a directory of <video id>/<frame>.png" if form == "png" else "a COCO json, or a directory of <video id>.json"
    )
    assert (level, line) == ("fault", f"{KEY}.masks: expected {kind}, got nothing at masks")
    ids = [path.removesuffix(".mp4") for path in write_index("folder")]

    def write(videos: list[str]) -> None:
        if form == "png":
            for video in videos:
                Path("masks", video).mkdir(parents=True)
        else:
            images = [{"id": at, "file_name": f"{video}/0.png"} for at, video in enumerate(videos)]
            Path("masks").write_text(json.dumps({"images": images, "annotations": []}))

    write(ids[:-1])
    ((level, line),) = look(IMPORT.format(form))
    assert level == "fault"
    assert ids[-1] in line
    write(ids[-1:] if form == "png" else ids)
    assert look(IMPORT.format(form)) == [("ok", f"{KEY}.masks: masks")]


def test_puppets_to_import(place: Path) -> None:
    """Three of them are read: a file that cannot be, is told before anything is decoded."""
    ids = [path.removesuffix(".mp4") for path in write_index("folder")]
    expected = f"{KEY}.masks: expected a directory of <video id>/puppet_mask.mat, got nothing at masks"
    assert look(IMPORT.format("jhmdb")) == [("fault", expected)]
    for video in ids[:-1]:
        write_puppets(Path("masks"), video, columns(1))
    path = f"masks/{ids[-1]}/puppet_mask.mat"
    line = f"{KEY}.masks: {path}: expected the puppets of video {ids[-1]}, got no such file"
    assert look(IMPORT.format("jhmdb")) == [("fault", line)]
    write_puppets(Path("masks"), ids[-1], columns(1), other=columns(1))
    line = f"{KEY}.masks: {path}: expected the variable part_mask, got none of that name"
    assert look(IMPORT.format("jhmdb")) == [("fault", line)]
    write_puppets(Path("masks"), ids[-1], columns(1))
    assert look(IMPORT.format("jhmdb")) == [("ok", f"{KEY}.masks: masks")]


def test_motion_needs_nothing(place: Path) -> None:
    assert look(name="quick") == [("ok", "datasets.quick.segment.backend: motion needs no weights")]


@pytest.mark.parametrize("form", ["youtube-vis", "label-studio", "npz", "coco"])
def test_masks_of_other_tools(place: Path, form: str) -> None:
    """A wrong place, a wrong file, no such video, and another number of frames than were decoded."""
    ids = [path.removesuffix(".mp4") for path in write_index("folder")]
    wrong_kind = Path("masks") / "no" if form in ("youtube-vis", "label-studio") else Path("masks")
    wrong_kind.parent.mkdir(exist_ok=True)
    wrong_kind.write_text("{}")
    ((level, line),) = look(IMPORT.format(form))
    assert level == "fault"
    kinds = {"youtube-vis": "a YouTube-VIS json", "label-studio": "Label Studio's export as JSON",
             "npz": "a directory of <video id>.npz", "coco": "a COCO json"}  # fmt: skip
    assert line.startswith(f"{KEY}.masks: ")
    assert f"expected {kinds[form]}" in line
    wrong_kind.unlink()
    shutil.rmtree("masks", ignore_errors=True)

    labels = np.ones((4, 8, 8), np.uint8)
    _write_masks(form, ids[:-1], labels)
    ((level, line),) = look(IMPORT.format(form))
    assert (level, ids[-1] in line) == ("fault", True)
    _write_masks(form, ids, labels)
    assert look(IMPORT.format(form)) == [("ok", f"{KEY}.masks: masks")]

    for frames, num_lines in ((4, 1), (5, 2)):
        store = Path("frames", str(frames))
        store.mkdir(parents=True)
        writer = StoreWriter(store, (1, 1, 3), frames_per_shard=64)
        for video in ids:
            writer.append(np.zeros((frames, 1, 1, 3), np.uint8), video=video)
        writer.close()
        dataset = given(IMPORT.format(form)).datasets["folder"]
        found = segmenter_findings("folder", dataset, read("folder")[0], store)
        assert [each.level for each in found] == ["warning", "ok"][2 - num_lines :]
    what = "images" if form != "npz" else "frames"
    assert f"expected 5 {what}, one a frame, got 4 (frames/5 has the frames)" in found[0].line


@pytest.mark.parametrize(("size", "is_listed"), [(50_000_000, True), (0, True), (50_000_000, False)])
def test_the_json_beside_a_list_of_results(
    place: Path, monkeypatch: pytest.MonkeyPatch, size: int, is_listed: bool
) -> None:
    """Has to be there whatever is known of the videos, and is not parsed where it is large."""
    monkeypatch.setattr(segmenter, "_LARGEST_JSON", size)
    Path("masks").write_text("[]")
    ids = [path.removesuffix(".mp4") for path in write_index("folder")] if is_listed else []
    block = IMPORT.format("coco").replace("images: null", "images: images.json")
    line = f"{KEY}.images: expected the json with the images or videos of a list of results, got"
    assert look(block) == [("fault", f"{line} nothing at images.json")]
    Path("images.json").mkdir()
    assert look(block) == [("fault", f"{line} a directory at images.json")]
    Path("images.json").rmdir()
    Path("images.json").write_text("{")
    ((level, line),) = look(block)
    if size and is_listed:
        assert level == "fault"
        assert line.startswith(f"{KEY}.images: images.json: expected a COCO json, got a file that is not JSON")
    else:
        assert (level, line) == ("ok", f"{KEY}.masks: masks")
    images = [{"id": at, "file_name": f"{video}/0.png"} for at, video in enumerate(ids)]
    write(Path("images.json"), {"images": images})
    assert look(block) == [("ok", f"{KEY}.masks: masks")]


def test_videos_that_could_not_be_decoded_need_no_masks(place: Path) -> None:
    """The first and the last one have no frames; the three are chosen among the others."""
    ids = [path.removesuffix(".mp4") for path in write_index("folder")]
    Path("frames").mkdir()
    writer = StoreWriter(Path("frames"), (1, 1, 3), frames_per_shard=64)
    for video in ids:
        writer.append(np.zeros((4 * (video not in (ids[0], ids[-1])), 1, 1, 3), np.uint8), video=video)
    writer.close()
    dataset, index = given(IMPORT.format("npz")).datasets["folder"], read("folder")[0]
    _write_masks("npz", ids[1:-1], np.ones((4, 8, 8), np.uint8))
    assert [each.level for each in segmenter_findings("folder", dataset, index, Path("frames"))] == ["ok"]
    assert [each.level for each in segmenter_findings("folder", dataset, index)] == ["fault"]
    Path("masks", f"{ids[-2]}.npz").unlink()
    (found,) = segmenter_findings("folder", dataset, index, Path("frames"))
    assert (found.level, f"masks of video {ids[-2]}, got no such file" in found.line) == ("fault", True)


def _write_masks(form: str, videos: list[str], labels: np.ndarray) -> None:
    """Masks of all these videos at `masks`; `coco` as CVAT exports it."""
    if form == "coco":
        for video in videos:
            write(Path("masks") / f"{video}.json", coco(video, labels, name="frame_{number:06d}.PNG"))
    elif form == "npz":
        for video in videos:
            write_npz(Path("."), video, masks=labels)
        shutil.rmtree("masks", ignore_errors=True)
        Path("npz").rename("masks")
    elif form == "label-studio":
        write(Path("masks"), [task for video in videos for task in label_studio(video, labels)])
    else:
        write(Path("masks"), joined(dict.fromkeys(videos, labels)))
