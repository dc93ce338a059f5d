"""Where masks come from: model, file of weights, library, settings, licence. Nothing of it is part of a unit's key."""

import hashlib
import importlib.metadata
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from objabn.config.blocks import Block
from objabn.segmentation.segmenters import hub
from objabn.segmentation.segmenters.choice import FROM_HUB
from objabn.segmentation.segmenters.zoo import DETECTRON2, TORCHVISION
from objabn.system.downloads import iopath_path, torch_path

UNKNOWN, ZOO = "unknown", "zoo"
LICENCES = {  # of weights, by architecture, as those who trained them publish them (looked up in November 2026)
    "torchvision": "BSD-3-Clause (torchvision's; its README adds that terms of the training data may apply)",
    "detectron2": "CC BY-SA 3.0",  # MODEL_ZOO.md; the library itself is Apache-2.0
    "figures": "Apache-2.0",  # ours
    "rf_detr": "Apache-2.0",  # the segmentation models, of all sizes
    "mask2former": "CC BY-NC 4.0",  # MODEL_ZOO.md; the code is MIT
    "maskformer": "CC BY-NC 4.0",  # MODEL_ZOO.md
    "eomt": "MIT",
    "eomt_dinov3": "MIT, on a backbone under the DINOv3 License",
    "sam3": "SAM License (publications have to acknowledge its use)",
}
LIBRARIES = {  # of a backend: the distributions that may bring it
    "motion": ("opencv-python-headless", "opencv-python"),
    "torchvision": ("torchvision",),
    "detectron2": ("detectron2",),
    "transformers": ("transformers",),
    "sam3": ("transformers",),
}
OWN = Path(__file__).parents[1] / "assets" / "figures_rcnn.pth"
# Told apart, or changes nothing.
_NO_SETTING = {"backend", "model", "weights", "masks", "images", "format", "batch_size", "overlap"}


def report_text(quality: Mapping[str, float], segment: Block) -> str:
    """Text of results/<ds>/segment.json: how good the masks are (`quality.summarise`), and what made them."""
    return json.dumps({**quality, "segmenter": provenance(segment)}, indent=2) + "\n"


def provenance(segment: Block) -> dict[str, Any]:
    """Tell what makes a data set's masks, as JSON-serialisable values; what a backend lacks is left out.

    Keys:
        backend, settings: of params.yaml; settings are those that masks depend on.
        model: name of the model; `architecture`: of a checkpoint that is a folder.
        weights, sha256: name and digest of the file; no digest where it is not there (all masks were in the cache).
        library: its name and version, as installed now; masks of the side cache may be an older version's.
        format, masks, files, sha256: of masks to import; how many files a folder has, or the digest of a file.
        images, images_sha256: name and digest of the file beside a list of results; no digest where it is not there.
        licence: of the weights, where these are the published ones of their architecture; else `unknown`.

    Args:
        segment: the block `segment`.
    """
    block = segment.model_dump()
    told: dict[str, Any] = {"backend": block["backend"]}
    if block["backend"] == "import":
        told |= {"format": block["format"], **_masks(Path(block["masks"])), "licence": UNKNOWN}
        if block["images"]:
            images = Path(block["images"])
            told |= {"images": images.name}
            told |= {"images_sha256": _digest(images, "sha256")} if images.is_file() else {}
    elif "weights" in block:
        told |= _weights(block)
    else:
        told["licence"] = "none, there are no weights"
    if block["backend"] in LIBRARIES:
        told["library"] = _library(LIBRARIES[block["backend"]])
    told["settings"] = {name: value for name, value in block.items() if name not in _NO_SETTING}
    return told


def _weights(block: dict[str, Any]) -> dict[str, Any]:
    """What `provenance` tells of a model and its weights."""
    folder = checkpoint_folder(block)
    file, architecture = weights_file(block, folder), _architecture(block, folder)
    digest = _digest(file, "sha256") if file else None
    if block["backend"] in FROM_HUB and hub.is_name(block["weights"]) and not os.path.isdir(block["weights"]):
        name = block["weights"]
    else:
        name = (file if folder is None and file else Path(block["weights"])).name
    return {
        **({"model": block["model"]} if "model" in block else {}),
        **({"architecture": architecture} if folder else {}),
        "weights": name,
        **({"sha256": digest} if digest else {}),
        "licence": _licence(block, architecture, file, digest),
    }


def checkpoint_folder(block: dict[str, Any]) -> Path | None:
    """Folder of a checkpoint of the Hub, with config.json and model.safetensors; None where it is not on this disk."""
    if block["backend"] in FROM_HUB:
        return hub.local_folder(block["weights"], block.get("revision"))
    return None


def weights_file(block: dict[str, Any], folder: Path | None) -> Path | None:
    """Path of the file of weights on this disk: what a block names, or where a library keeps its download; or None."""
    path = Path(block["weights"])
    if folder is not None:
        path = folder / hub.WEIGHTS
    elif block["backend"] not in FROM_HUB and block["weights"] == ZOO and (url := _zoo_url(block)):
        path = (iopath_path if block["backend"] == "detectron2" else torch_path)(url)
    return path if path.is_file() else None


def _zoo_url(block: dict[str, Any]) -> str | None:
    """Address of a library's weights of a model; None where it does not tell, or is not there to be asked."""
    if block["backend"] == "torchvision":
        return TORCHVISION.get(block["model"])
    if block["model"] in DETECTRON2:
        return DETECTRON2[block["model"]]
    from objabn.segmentation.segmenters import detectron2

    try:
        return detectron2.zoo_url(block["model"])
    except ValueError:
        return None


def _architecture(block: dict[str, Any], folder: Path | None) -> str:
    """A key of LICENCES, where there is one: of a folder, what its config.json says."""
    if block["backend"] in ("torchvision", "detectron2"):
        return "figures" if block["model"] == "figures" else block["backend"]
    if block["backend"] == "sam3" or folder is None:
        return block["backend"]  # SAM 3's file says sam3_video, for the tracker that it holds, too
    try:
        return str(hub.read_config(folder)["model_type"])
    except (ValueError, KeyError):
        return block["backend"]


def _licence(block: dict[str, Any], architecture: str, file: Path | None, digest: str | None) -> str:
    """Licence of weights, as far as it can be told that they are the published ones.

    The names of torchvision's and detectron2's files have the beginning of a digest; of folders nothing tells it.
    """
    known = LICENCES.get(architecture, UNKNOWN)
    if known == UNKNOWN or block["weights"] == ZOO:
        return known
    if block["backend"] not in ("torchvision", "detectron2"):
        return f"{known}, if these are the published weights"
    if file is None or digest is None:
        return UNKNOWN
    if architecture == "detectron2":
        named = re.fullmatch(r"model_final_([0-9a-f]{6})\.pkl", file.name)
        published = named is not None and _digest(file, "md5").startswith(named[1])
    elif architecture == "figures":
        published = OWN.is_file() and digest == _digest(OWN, "sha256")
    else:
        named = re.search(r"-([0-9a-f]{8})\.pth$", TORCHVISION.get(block["model"], ""))
        published = named is not None and digest.startswith(named[1])
    return known if published else UNKNOWN


def _digest(path: Path, name: str) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, name).hexdigest()


def _library(distributions: tuple[str, ...]) -> str:
    """Name and version of a library, the first that is installed."""
    for name in distributions:
        try:
            return f"{name} {importlib.metadata.version(name)}"
        except importlib.metadata.PackageNotFoundError:
            continue
    return f"{distributions[0]}, not installed here"


def _masks(path: Path) -> dict[str, Any]:
    """Name and content of masks to import, as far as that is cheap: the digest of a file, the number of files."""
    if path.is_file():
        return {"masks": path.name, "sha256": _digest(path, "sha256")}
    found = sum(not name.startswith(".") for _, _, names in os.walk(path) for name in names)
    return {"masks": path.name, "files": found}
