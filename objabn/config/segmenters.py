"""The block `segment` of params.yaml: one for each backend (see `config.schema`)."""

import re
from collections.abc import Collection
from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator

from objabn.config.blocks import Block, Count, Positive, Share

GROUPS = ("person", "other")  # of masks whose segmenter names none (`stores.masks`), and of the truth
SemanticModel = Literal["lraspp_mobilenet_v3_large", "deeplabv3_mobilenet_v3_large", "deeplabv3_resnet50"]
SEMANTIC = get_args(SemanticModel)
LEAST_PROBABILITY = 0.05  # that masks of a semantic model are stored with
MOST_GROUPS = 6  # as many as there are colours for
_GROUP = re.compile(r"[a-z][a-z0-9_]*")
_TAKEN = ("empty",)  # columns of results/<ds>/segment.csv: <group>_share


def check_groups(key: str, names: Collection[str]) -> None:
    """Check names of groups of masks, those of parameter `key`. Raises: ValueError."""
    for name in names:
        if not _GROUP.fullmatch(name) or name in _TAKEN:
            expected = f"a name of a-z, 0-9 and _, starting with a letter, other than {', '.join(_TAKEN)}"
            raise ValueError(f"{key}.{name}: expected {expected}, got {name!r}")
    if len(names) > MOST_GROUPS:
        raise ValueError(f"{key}: expected at most {MOST_GROUPS} groups, got {len(names)}")
    if not names or len(set(names)) < len(names):
        raise ValueError(f"{key}: expected at least one name, and each once, got {list(names)}")


class Motion(Block):
    backend: Literal["motion"]
    stride: Count  # segments every n-th stored frame; the frames between have the masks of the last one
    threshold: Positive  # distance of RGB colours (0-255) between a pixel and its background
    min_area: Share  # of the frame


class MaskRCNN(Block):
    stride: Count  # segments every n-th stored frame; the frames between have the masks of the last one
    short_edge: Annotated[int, Field(ge=32)]  # pixels, of the network's input
    proposals: Count  # boxes a frame that the second stage looks at
    score_floor: Annotated[float, Field(gt=0, le=1)]  # instances below are not stored
    batch_size: Count  # frames


class Torchvision(MaskRCNN):
    backend: Literal["torchvision"]
    weights: str  # zoo (torchvision downloads them), or path of a .pth
    model: Literal["maskrcnn_resnet50_fpn_v2", "maskrcnn_resnet50_fpn", "figures"]  # figures: the embedded data's


class Semantic(Block):
    """Models of torchvision that tell classes, cell by cell, and no instances: no proposals, no floor of scores."""

    backend: Literal["torchvision"]
    stride: Count  # segments every n-th stored frame; the frames between have the masks of the last one
    weights: str  # zoo (torchvision downloads them), or path of a .pth
    model: SemanticModel  # of torchvision; they know the 20 classes of Pascal VOC
    short_edge: Annotated[int, Field(ge=32)]  # pixels, of the network's input
    batch_size: Count  # frames


class Detectron2(MaskRCNN):
    backend: Literal["detectron2"]
    weights: str  # zoo (detectron2 downloads them), or path of a .pkl as the zoo's, or of a .pth
    model: str  # name of a Mask R-CNN's config in detectron2's model zoo


class Import(Block):
    backend: Literal["import"]
    masks: str  # a folder or a json (docs/masks.md)
    format: Literal["png", "coco", "youtube-vis", "label-studio", "npz", "jhmdb"]  # docs/masks.md
    class_name: Annotated[str, Field(min_length=1)]  # of instances that come without one: PNGs and puppets have none
    sparse: Literal["none", "nearest"]  # none: all frames have masks | nearest: a frame takes those nearest in time
    images: str | None  # coco, youtube-vis: the json with the images or videos of a list of results
    groups: list[str] | None  # classes that are the store's groups, others are left out; null: person and other

    @model_validator(mode="after")
    def _has_use(self) -> "Import":
        if self.groups is not None:
            check_groups("groups", self.groups)
        if self.sparse != "none" and self.format == "jhmdb":
            raise ValueError(f"sparse: expected none (puppets are of all frames), got {self.sparse!r}")
        if self.images is not None and self.format not in ("coco", "youtube-vis"):
            raise ValueError(
                f"images: expected null (format {self.format} has no list of results), got {self.images!r}"
            )
        return self


class FromHub(Block):
    stride: Count  # segments every n-th stored frame; the frames between have the masks of the last one
    weights: Annotated[str, Field(min_length=1)]  # name on the Hub, or a folder as `save_pretrained` writes it
    revision: Annotated[str, Field(min_length=1)] | None  # of a name: branch, tag or commit; null: main. Folders: null
    score_floor: Annotated[float, Field(gt=0, le=1)]  # instances below are not stored
    bf16: bool  # bf16 arithmetic in the feature extractor, on a GPU; the CPU computes in float32
    overlap: bool  # reads and writes in threads beside a GPU; changes no mask


class Transformers(FromHub):
    backend: Literal["transformers"]
    short_edge: Annotated[int, Field(ge=32)] | None  # pixels, of the network's input; null: the checkpoint's own size
    class_names: Literal["coco"] | None  # coco: by number, for checkpoints without names; null: the checkpoint's own
    batch_size: Count  # frames


class Sam3(FromHub):
    backend: Literal["sam3"]
    prompts: Annotated[dict[str, list[Annotated[str, Field(min_length=1)]]], Field(min_length=1)]  # of each group

    @model_validator(mode="after")
    def _groups_have_names_and_texts(self) -> "Sam3":
        check_groups("prompts", self.prompts)
        for name, texts in self.prompts.items():
            if not texts:
                raise ValueError(f"prompts.{name}: expected at least one text, got []")
        return self


OfTorchvision = Annotated[Torchvision | Semantic, Field(discriminator="model")]
Segment = Annotated[Motion | OfTorchvision | Detectron2 | Import | Transformers | Sam3, Field(discriminator="backend")]


def plane_names(segment: Segment) -> tuple[str, ...]:
    """Return the names of the mask store's groups, in the order of its planes."""
    if isinstance(segment, Sam3):
        return tuple(segment.prompts)
    own = segment.groups if isinstance(segment, Import) else None
    return tuple(own or GROUPS)
