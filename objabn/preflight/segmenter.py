"""What the segmenter needs: its library, its weights, or the masks that it reads."""

import importlib.util
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from objabn.config.schema import Dataset
from objabn.config.segmenters import GROUPS, Detectron2, FromHub, Import, Motion, Semantic, Torchvision
from objabn.preflight.findings import Finding, fault, ok, warning
from objabn.preflight.from_hub import hub_findings
from objabn.preflight.weights import Download, file_fault
from objabn.segmentation.segmenters.zoo import DETECTRON2, TORCHVISION
from objabn.system.checkouts import why_absent
from objabn.system.downloads import iopath_path, torch_path

if TYPE_CHECKING:
    import pandas as pd

ZOO = "zoo"
KINDS = {  # of masks to import, by their format
    "png": "a directory of <video id>/<frame>.png",
    "coco": "a COCO json, or a directory of <video id>.json",
    "youtube-vis": "a YouTube-VIS json",
    "label-studio": "Label Studio's export as JSON",
    "npz": "a directory of <video id>.npz",
    "jhmdb": "a directory of <video id>/puppet_mask.mat",
}
_FILES, _FOLDERS = ("coco", "youtube-vis", "label-studio"), ("png", "coco", "npz", "jhmdb")  # what `masks` may be
_LARGEST_JSON = 50_000_000  # bytes, of a json that is read here: more take seconds


def segmenter_downloads(name: str, dataset: Dataset) -> list[Download]:
    """List the downloads that the segmenter asks for."""
    segment, key, instead = dataset.segment, f"datasets.{name}.segment.weights", motion_instead(name, dataset)
    if isinstance(segment, Torchvision | Semantic) and segment.weights == ZOO and segment.model in TORCHVISION:
        url = TORCHVISION[segment.model]
        return [Download("segment", key, url, torch_path(url), instead)]
    if isinstance(segment, Detectron2) and segment.weights == ZOO:
        found = DETECTRON2.get(segment.model) or _detectron2_url(segment.model)
        return [Download("segment", key, found, iopath_path(found), instead)] if found else []
    return []


def motion_instead(name: str, dataset: Dataset) -> str:
    """Say how to go on without weights: the command whose `-S` takes `motion`.

    What moves is nobody's person, so its masks are of the group `other`, which has to be among those that count. It is
    our command: DVC's own `-S` puts the keys of a block into the one that is there.
    """
    block = f"{{backend: motion, stride: {getattr(dataset.segment, 'stride', 1)}, threshold: 25.0, min_area: 0.002}}"
    settings = [f"datasets.{name}.segment={block}"]
    if "other" not in dataset.mask.groups or not set(dataset.mask.groups) <= set(GROUPS):
        kept = [group for group in dataset.mask.groups if group in GROUPS and group != "other"]
        settings.append(f"datasets.{name}.mask.groups=[{', '.join([*kept, 'other'])}]")
    command = " ".join(["python -m objabn repro", *(f"-S {each!r}" for each in settings)])
    return f"segment what moves before a still camera, without weights: `{command}`"


def segmenter_findings(
    name: str, dataset: Dataset, index: "pd.DataFrame | None", decoded: Path | None = None
) -> list[Finding]:
    """Look at all that the segmenter needs but its downloads.

    Args:
        index: of the data set; None where it cannot be read.
        decoded: the frame store, where it is there.
    """
    segment, key, instead = dataset.segment, f"datasets.{name}.segment", motion_instead(name, dataset)
    found: list[Finding] = []
    if dataset.machine.segment_engine == "ray" and importlib.util.find_spec("ray") is None:
        line = "expected ray to be installed, found no such library; `pip install -r requirements-ray.txt`, or local"
        found.append(fault("segment", f"datasets.{name}.machine.segment_engine: {line}"))
    if isinstance(segment, Motion):
        return [*found, ok("segment", f"{key}.backend: motion needs no weights")]
    if isinstance(segment, Import):
        return [*found, *_import_findings(key, dataset, segment, index, decoded)]
    if isinstance(segment, FromHub):
        return [*found, *hub_findings(key, segment, dataset.mask.groups, instead)]
    wrong = lacks = _no_weights(f"{key}.weights", segment)
    if isinstance(segment, Detectron2):
        found.append(_detectron2(key, segment, instead, load=segment.weights != ZOO and not wrong))
    elif segment.weights != ZOO:
        wrong = wrong or _torchvision_misfit(f"{key}.weights", segment)
    if wrong:
        return [*found, fault("segment", f"{wrong}; or {instead}" if lacks else wrong)]
    return found if segment.weights == ZOO else [*found, ok("segment", f"{key}.weights: {segment.weights}")]


def _no_weights(key: str, segment: Torchvision | Semantic | Detectron2) -> str | None:
    """Say why weights that are a file, or would have to be, are not there."""
    if segment.weights != ZOO:
        return file_fault(key, segment.weights, f"{ZOO} or the path of weights of {segment.model}")
    if isinstance(segment, Torchvision) and segment.model not in TORCHVISION:
        return f"{key}: expected the path of weights of {segment.model}, which no zoo has, got {ZOO}"
    return None


def _torchvision_misfit(key: str, segment: Torchvision | Semantic) -> str | None:
    """Say why weights do not fit the model, or None.

    Those of `python -m objabn pretrain segmenter` say beside them what they are, so that nothing has to be loaded.
    """
    recipe = Path(segment.weights).with_suffix(".json")
    if segment.model == "figures" and recipe.is_file() and "inference" in _parsed(recipe):
        return None
    from objabn.segmentation.segmenters.torchvision import check_weights

    try:
        check_weights(segment.weights, segment.model)
    except ValueError as error:
        return f"{key}: {error}"
    return None


def _parsed(path: Path) -> dict:
    try:
        content = json.loads(path.read_bytes())
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _detectron2(key: str, segment: Detectron2, instead: str, *, load: bool) -> Finding:
    """Look at the library; with `load` at whether the weights fit.

    It is imported where it is installed: one that was built against another torch is there and cannot be used.
    """
    if importlib.util.find_spec("detectron2") is None:
        line = f"{key}.backend: expected detectron2 to be installed, found no such library"
        return fault("segment", f"{line}; `make detectron2` builds it; or {instead}")
    from objabn.segmentation.segmenters import detectron2

    try:
        if load:
            detectron2.check_weights(segment.weights, segment.model)
        else:
            detectron2.check_model(segment.model)
    except ValueError as error:
        return fault("segment", f"{key}: {error}")
    return ok("segment", f"{key}.backend: detectron2 can be imported")


def _detectron2_url(model: str) -> str | None:
    """Ask detectron2 for the address of a model's weights; None where it does not tell."""
    if importlib.util.find_spec("detectron2") is None:
        return None
    from objabn.segmentation.segmenters import detectron2

    try:
        return detectron2.zoo_url(model)
    except ValueError:  # `_detectron2` says it
        return None


def _import_findings(
    key: str, dataset: Dataset, segment: Import, index: "pd.DataFrame | None", decoded: Path | None
) -> list[Finding]:
    """Look at the files of masks to import, and in them at the masks of three videos."""
    if wrong := _no_file(segment):
        return [fault("segment", f"{key}.{wrong}")]
    there, found = ok("segment", f"{key}.masks: {segment.masks}"), list[Finding]()
    if index is None or any(_is_large(Path(path)) for path in (segment.masks, segment.images) if path):
        return [there]
    lengths = _lengths(decoded) if decoded is not None else {}
    videos = _three(index, lengths)
    if wrong := _misfit(segment, dict.fromkeys(videos), 1):
        return [fault("segment", f"{key}.{wrong}")]
    known = {video: lengths[video] for video in videos if lengths.get(video)}
    if known and (wrong := _misfit(segment, known, dataset.decode.stride)):
        found.append(warning("segment", f"{key}.{wrong} ({decoded} has the frames)"))
    return [*found, there]


def _no_file(segment: Import) -> str | None:
    """Say which file or directory of masks is not there, from the parameter's name on, or None."""
    path, kind = Path(segment.masks), KINDS[segment.format]
    if not ((path.is_file() and segment.format in _FILES) or (path.is_dir() and segment.format in _FOLDERS)):
        absent = why_absent(segment.masks, "segment.masks")
        return f"masks: expected {kind}, got {_what_is(path)} at {segment.masks}{absent}"
    if segment.images is not None and not Path(segment.images).is_file():
        expected = "expected the json with the images or videos of a list of results"
        absent = why_absent(segment.images, "segment.images")
        return f"images: {expected}, got {_what_is(Path(segment.images))} at {segment.images}{absent}"
    return None


def _what_is(path: Path) -> str:
    return ("a directory" if path.is_dir() else "a file") if path.exists() else "nothing"


def _lengths(decoded: Path) -> dict[str, int]:
    """Read how many frames each decoded video has; nothing where there is no table."""
    from objabn.stores.table import TABLE, read_table

    if not (decoded / TABLE).is_file():
        return {}
    table = read_table(decoded, ["video", "offset", "frames"])
    return dict(zip(table["video"], table["frames"].tolist(), strict=True))


def _misfit(segment: Import, lengths: Mapping[str, int | None], stride: int) -> str | None:
    """Say why masks of videos do not fit, from the name of the parameter with the file at fault on, or None."""
    from objabn.segmentation.segmenters.imported import check_masks

    try:
        check_masks(lengths, **segment.model_dump(), decode_stride=stride)
    except ValueError as error:
        is_of_images = segment.images is not None and str(error).startswith(f"{segment.images}: ")
        return f"{'images' if is_of_images else 'masks'}: {error}"
    return None


def _three(index: "pd.DataFrame", lengths: Mapping[str, int]) -> list[str]:
    """Choose three videos of the index; where it is known, of those that have frames: others need no masks."""
    videos = index["video"].tolist()
    videos = [video for video in videos if lengths.get(video)] or videos
    return [videos[at] for at in (0, len(videos) // 2, -1)]


def _is_large(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > _LARGEST_JSON
