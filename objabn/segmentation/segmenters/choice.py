"""Choose a segmenter by its name, and say what its masks depend on. One function type, one module a backend.

    segment = build("motion", threshold=25.0)
    instances = segment(frames, "walk/a")    # uint8 (N, H, W, 3) RGB of one video, its id -> one Instances a frame

The id is the index's, such as Bend/v_Bend_g01_c01. Whoever looks at pixels ignores it; `import` finds its masks by it.

Which instances count (score, class) is decided by whoever reads the mask store, never here.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from objabn.config.segmenters import SEMANTIC
from objabn.segmentation.segmenters import hub
from objabn.segmentation.segmenters.instances import Instances, Segmenter
from objabn.system.files import file_digest

# Backend -> the settings that its output depends on, besides the content of `weights`.
SETTINGS = {
    "motion": ("threshold", "min_area"),
    "torchvision": ("model", "short_edge", "proposals", "score_floor"),
    "detectron2": ("model", "short_edge", "proposals", "score_floor"),
    "import": ("format", "class_name"),  # and the masks' content, see `video_key`
    "transformers": ("short_edge", "class_names", "score_floor", "bf16"),
    "sam3": ("prompts", "score_floor", "bf16"),
}
FROM_HUB = ("transformers", "sam3")  # their weights are a folder, or a name that becomes one
BACKENDS = tuple(SETTINGS)
# Part of the key of cached masks. Raise a backend's when its output changes: in its module, or in one that it imports.
VERSIONS = {
    "motion": 1,
    "torchvision": 1,
    "semantic": 1,  # torchvision's
    "detectron2": 1,
    "import": 2,
    "transformers": 1,
    "sam3": 1,
}


def build(backend: str, *, stride: int = 1, **settings: Any) -> Segmenter:
    """Segmenter of a backend: frames of one video, uint8 (N, H, W, 3) RGB, and its id to N `Instances`.

    Only the chosen backend is imported. Settings that a backend does not know are ignored, so a whole block of
    parameters can be handed over.

    Args:
        stride: the backend sees frames 0, stride, 2 * stride, ...; the frames between have the instances of the last of
            these. So each frame has its planes and its rows in the table of instances, whatever the stride.

    Raises:
        ValueError: for an unknown backend, or settings that the backend cannot work with (see its module).
    """
    segment = _backend(backend, **settings)
    if stride == 1:
        return segment

    def segment_some(frames: np.ndarray, video: str) -> list[Instances]:
        found = segment(frames[::stride], video)
        return [found[number // stride] for number in range(len(frames))]

    return segment_some


def _backend(backend: str, **settings: Any) -> Segmenter:
    _check(backend)
    # Import statements and not importlib: the test that compares dvc.yaml with our imports reads them.
    if backend == "motion":
        from objabn.segmentation.segmenters import motion

        return motion.build(**settings)
    if backend == "detectron2":
        from objabn.segmentation.segmenters import detectron2

        return detectron2.build(**settings)
    if backend == "import":
        from objabn.segmentation.segmenters import imported

        return imported.build(**settings)
    if backend == "transformers":
        from objabn.segmentation.segmenters import transformers

        return transformers.build(**settings)
    if backend == "sam3":
        from objabn.segmentation.segmenters import sam3

        return sam3.build(**settings)
    from objabn.segmentation.segmenters import torchvision

    return torchvision.build(**settings)


def settings_key(backend: str, weights: str | None = None, **settings: Any) -> dict[str, Any]:
    """What a backend's masks depend on besides the frames, as JSON-serialisable values.

    Raises:
        ValueError: for an unknown backend.
    """
    chosen = {name: settings[name] for name in SETTINGS[backend] if name in settings}
    if settings.get("stride", 1) != 1:  # units that were made before there was a stride keep their names
        chosen["stride"] = settings["stride"]
    if settings.get("sparse", "none") != "none":  # likewise
        chosen["sparse"] = settings["sparse"]
    if settings.get("groups"):
        chosen["groups"] = list(settings["groups"])  # in the planes' order
    if "prompts" in chosen:
        chosen["prompts"] = [[name, list(texts)] for name, texts in chosen["prompts"].items()]  # in the planes' order
    content: Any = None
    if backend in FROM_HUB and weights:
        more = (hub.TOKENIZER,) if backend == "sam3" else ()
        content = hub.content_of(weights, settings.get("revision"), more)
        chosen["library"] = hub.library_version()
    elif backend != "motion" and weights:
        # Not a file: the name that the backend resolves (detectron2's `zoo`: the one file that it has of the model).
        content = file_digest(weights) if Path(weights).is_file() else weights
    version = VERSIONS["semantic" if chosen.get("model") in SEMANTIC else backend]
    return {"backend": backend, "version": version, "weights": content, **chosen}


def bring_weights(backend: str, weights: str | None = None, **settings: Any) -> None:
    """Download weights that have a name on the Hub and are not here, so that `settings_key` knows their content.

    Raises:
        ValueError: they cannot be had; the line says what to fetch and where to put it.
    """
    if backend in FROM_HUB and weights:
        hub.folder_of(weights, settings.get("revision"), gated=hub.GATED if backend == "sam3" else "")


def video_key(backend: str, **settings: Any) -> Callable[[str], dict[str, Any]]:
    """Function of a video's id: what its masks depend on besides its frames and `settings_key`; most often nothing.

    Raises:
        ValueError: for an unknown backend, or masks that are not there (see `imported`).
    """
    _check(backend)
    if backend == "import":
        from objabn.segmentation.segmenters import imported

        return imported.video_key(**settings)
    return lambda video: {}


def _check(backend: str) -> None:
    if backend not in BACKENDS:
        raise ValueError(f"segmenter backend: expected one of {', '.join(BACKENDS)}, got {backend!r}")
