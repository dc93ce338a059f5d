"""What segment.json says of the segmenter: model, file, digest, library, settings and licence, for each backend."""

import hashlib
import importlib.metadata
import json
from pathlib import Path
from typing import Any

import pytest

from objabn.config.blocks import Block
from objabn.config.schema import Dataset
from objabn.config.segmenters import Detectron2, Import, Motion, Sam3, Semantic, Torchvision, Transformers
from objabn.report.comparison import read_masks
from objabn.segmentation import provenance as module
from objabn.segmentation.provenance import LIBRARIES, LICENCES, provenance, report_text
from objabn.segmentation.segmenters.zoo import DETECTRON2, TORCHVISION

ROOT = Path(__file__).parents[2]
OTHER: dict[str, Any] = {"stride": 1, "short_edge": 800, "proposals": 1000, "score_floor": 0.05, "batch_size": 4}
SETTINGS = {name: OTHER[name] for name in ("stride", "short_edge", "proposals", "score_floor")}
R50 = "maskrcnn_resnet50_fpn"
(ZOO_MODEL,) = DETECTRON2


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture(autouse=True)
def _versions(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Of segmenters' libraries torchvision 1.2 and OpenCV 4.5 are installed; nothing is downloaded."""
    installed, segmenters = importlib.metadata.version, {name for names in LIBRARIES.values() for name in names}

    def version(name: str) -> str:
        known = {"torchvision": "1.2", "opencv-python": "4.5"}
        if name not in segmenters:  # what these import asks, too
            return installed(name)
        if name not in known:
            raise importlib.metadata.PackageNotFoundError(name)
        return known[name]

    monkeypatch.setattr(module.importlib.metadata, "version", version)
    for name in ("TORCH_HOME", "FVCORE_CACHE"):
        monkeypatch.setenv(name, str(tmp_path / name))


def write(path: Path, content: bytes = b"weights") -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return str(path)


def test_the_embedded_segmenter_is_ours(synthetic: Dataset, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(ROOT)
    assert provenance(synthetic.segment) == {
        "backend": "torchvision",
        "model": "figures",
        "weights": "figures_rcnn.pth",
        "sha256": sha256((ROOT / "objabn/assets/figures_rcnn.pth").read_bytes()),
        "licence": "Apache-2.0",
        "library": "torchvision 1.2",
        "settings": {"stride": 1, "short_edge": 192, "proposals": 30, "score_floor": 0.05},
    }
    own = synthetic.segment.model_copy(update={"weights": write(tmp_path / "figures_rcnn.pth")})
    assert provenance(own)["licence"] == "unknown"


def test_torchvisions_file_is_known_by_its_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "renamed.pth")
    segment = Torchvision(backend="torchvision", weights=path, model=R50, **OTHER)
    told = provenance(segment)
    assert (told["weights"], told["sha256"], told["licence"]) == ("renamed.pth", sha256(b"weights"), "unknown")
    monkeypatch.setitem(TORCHVISION, R50, f"https://host/{R50}-{sha256(b'weights')[:8]}.pth")
    assert provenance(segment)["licence"] == LICENCES["torchvision"]


def test_the_zoos_file_has_a_digest_where_it_is_here(tmp_path: Path) -> None:
    segment = Semantic(
        backend="torchvision", stride=2, weights="zoo", model="deeplabv3_resnet50", short_edge=520, batch_size=4
    )
    absent = provenance(segment)
    assert absent == {
        "backend": "torchvision",
        "model": "deeplabv3_resnet50",
        "weights": "zoo",
        "licence": LICENCES["torchvision"],
        "library": "torchvision 1.2",
        "settings": {"stride": 2, "short_edge": 520},
    }
    write(tmp_path / "TORCH_HOME/hub/checkpoints/deeplabv3_resnet50_coco-cd0a2569.pth")
    there = provenance(segment)
    assert there == absent | {"weights": "deeplabv3_resnet50_coco-cd0a2569.pth", "sha256": sha256(b"weights")}


def test_detectron2s_files_are_known_by_the_digest_in_their_names(tmp_path: Path) -> None:
    """By MD5, as its MODEL_ZOO.md says; all of the zoo's."""
    zoo = provenance(Detectron2(backend="detectron2", weights="zoo", model=ZOO_MODEL, **OTHER))
    assert zoo == {
        "backend": "detectron2",
        "model": ZOO_MODEL,
        "weights": "zoo",
        "licence": "CC BY-SA 3.0",
        "library": "detectron2, not installed here",
        "settings": SETTINGS,
    }
    right = f"model_final_{hashlib.md5(b'weights').hexdigest()[:6]}.pkl"
    for name, licence in ((right, "CC BY-SA 3.0"), ("model_final_000000.pkl", "unknown"), ("mine.pkl", "unknown")):
        path = write(tmp_path / name)
        told = provenance(Detectron2(backend="detectron2", weights=path, model=ZOO_MODEL, **OTHER))
        assert (told["weights"], told["sha256"], told["licence"]) == (name, sha256(b"weights"), licence)
    gone = provenance(Detectron2(backend="detectron2", weights="gone/mine.pkl", model=ZOO_MODEL, **OTHER))
    assert (gone["weights"], gone["licence"], "sha256" in gone) == ("mine.pkl", "unknown", False)


def from_hub(weights: str, **changes: Any) -> Block:
    block = {"backend": "transformers", "stride": 1, "weights": weights, "revision": None, "short_edge": 312}
    block |= {"class_names": None, "score_floor": 0.05, "batch_size": 4, "bf16": False, "overlap": True, **changes}
    return Transformers(**block)


HUB_SETTINGS = {
    "stride": 1,
    "revision": None,
    "short_edge": 312,
    "class_names": None,
    "score_floor": 0.05,
    "bf16": False,
}


@pytest.mark.parametrize(
    ("config", "architecture", "licence"),
    [
        ({"model_type": "rf_detr"}, "rf_detr", "Apache-2.0, if these are the published weights"),
        ({"model_type": "mask2former"}, "mask2former", "CC BY-NC 4.0, if these are the published weights"),
        ({"model_type": "new"}, "new", "unknown"),
        ([], "transformers", "unknown"),
    ],
)
def test_a_folder_says_its_architecture(tmp_path: Path, config: Any, architecture: str, licence: str) -> None:
    folder = tmp_path / "rf-detr-seg-nano"
    write(folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config))
    assert provenance(from_hub(str(folder))) == {
        "backend": "transformers",
        "architecture": architecture,
        "weights": "rf-detr-seg-nano",
        "sha256": sha256(b"weights"),
        "licence": licence,
        "library": "transformers, not installed here",
        "settings": HUB_SETTINGS,
    }


def test_a_name_on_a_hub_stays_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is read of the folder that happens to be the present one."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "config.json", b'{"model_type": "eomt"}')
    told = provenance(from_hub("owner/model"))
    assert (told["weights"], told["licence"], "sha256" in told) == ("owner/model", "unknown", False)


def test_a_name_whose_files_are_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = pytest.importorskip("huggingface_hub")
    folder = tmp_path / "snapshots" / "1a2b"
    write(folder / "config.json", b'{"model_type": "rf_detr"}')
    write(folder / "preprocessor_config.json", b"{}")
    path = write(folder / "model.safetensors")
    monkeypatch.setattr(library, "try_to_load_from_cache", lambda *_, **__: path)
    told = provenance(from_hub("owner/model", revision="v1"))
    assert (told["weights"], told["sha256"], told["architecture"]) == ("owner/model", sha256(b"weights"), "rf_detr")
    assert told["licence"] == "Apache-2.0, if these are the published weights"
    assert told["settings"]["revision"] == "v1"


def test_sam3s_published_file_holds_its_tracker(tmp_path: Path) -> None:
    write(tmp_path / "sam3" / "model.safetensors")
    write(tmp_path / "sam3" / "config.json", b'{"model_type": "sam3_video"}')
    block = {"backend": "sam3", "stride": 1, "weights": str(tmp_path / "sam3"), "revision": None, "score_floor": 0.05}
    told = provenance(Sam3(**block, bf16=True, overlap=True, prompts={"hand": ["hand"]}))
    assert (told["architecture"], told["licence"].partition(" (")[0]) == ("sam3", "SAM License")
    assert told["settings"]["prompts"] == {"hand": ["hand"]}


def test_motion_has_no_weights() -> None:
    assert provenance(Motion(backend="motion", stride=1, threshold=25.0, min_area=0.002)) == {
        "backend": "motion",
        "licence": "none, there are no weights",
        "library": "opencv-python 4.5",
        "settings": {"stride": 1, "threshold": 25.0, "min_area": 0.002},
    }


def test_masks_to_import(tmp_path: Path) -> None:
    for name in ("a/0.png", "a/1.png", "b/c/0.png", "b/.hidden"):
        write(tmp_path / "davis" / name)
    more = {"class_name": "person", "sparse": "none", "groups": None}
    told = {"backend": "import", "licence": "unknown", "settings": more}
    pngs = Import(backend="import", masks=str(tmp_path / "davis"), format="png", images=None, **more)
    assert provenance(pngs) == told | {"format": "png", "masks": "davis", "files": 3}
    path = write(tmp_path / "masks.json", b"{}")
    coco = Import(backend="import", masks=path, format="coco", images=str(tmp_path / "images.json"), **more)
    of_file = {"format": "coco", "masks": "masks.json", "images": "images.json", "sha256": sha256(b"{}")}
    assert provenance(coco) == told | of_file
    write(tmp_path / "images.json", b'{"images": []}')
    assert provenance(coco) == told | of_file | {"images_sha256": sha256(b'{"images": []}')}


def test_the_report_reads_it_and_older_files(tmp_path: Path) -> None:
    motion = Motion(backend="motion", stride=1, threshold=25.0, min_area=0.002)
    path = tmp_path / "segment.json"
    path.with_suffix(".csv").write_text("video,label,split,frames,empty_share,unit\nv,a,test,3,0.5,0\n")
    path.write_text(report_text({"frames": 3.0, "empty_share": 0.5}, motion))
    masks = read_masks(path, tmp_path / "masks.png")
    assert masks.quality == {"frames": 3.0, "empty_share": 0.5}
    assert masks.segmenter == provenance(motion)
    path.write_text('{"frames": 3.0}\n')
    old = read_masks(path, tmp_path / "masks.png")
    assert (old.quality, old.segmenter) == ({"frames": 3.0}, None)
