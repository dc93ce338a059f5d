"""The schema of params.yaml (`config.file` reads it).

No parameter that changes a result has a default here: DVC tracks the values in params.yaml, not this file, so a default
that changed would leave stale results. The field comments give units.
"""

import re
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from objabn.config.blocks import EACH_ONCE, Block, Count, NonNegative, Positive, Seed, Share
from objabn.config.rows import AnyControl, Loss, Table
from objabn.config.segmenters import (
    LEAST_PROBABILITY,
    FromHub,
    Import,
    MaskRCNN,
    Motion,
    Segment,
    Semantic,
    plane_names,
)

BLOCKS = ("stem", "res2", "res3", "res4", "res5")  # of an X3D, before its head
X3D = "x3d"  # `model.backbone` of the paper's network
OWN_BACKBONE = re.compile(r"torchvision:\w+|hf:.+|.+:[A-Za-z_]\w*")
Group = Literal["person", "other"]
Tracker = Literal["tensorboard", "wandb"]
NAME = re.compile(r"[a-z][a-z0-9_]*")


class Synthesize(Block):
    seed: Seed  # another seed draws other videos
    train_videos: Count  # how many training videos are drawn
    test_videos: Count  # how many test videos are drawn
    min_frames: Annotated[int, Field(ge=2)]  # frames of the shortest video
    max_frames: Annotated[int, Field(ge=2)]  # frames of the longest video
    height: Annotated[int, Field(ge=32, multiple_of=2)]  # pixels
    width: Annotated[int, Field(ge=32, multiple_of=2)]  # pixels
    figure_size: Annotated[float, Field(gt=0.1, le=0.7)]  # mean figure height, share of the shorter side
    bias: Share  # probability that the background kind is the action's own (training videos)
    test_bias: Annotated[float, Field(ge=-1, le=1)]  # the same for test videos; negative: another action's

    @model_validator(mode="after")
    def _ordered(self) -> "Synthesize":
        if self.max_frames < self.min_frames:
            raise ValueError(f"max_frames: expected at least min_frames ({self.min_frames}), got {self.max_frames}")
        return self


class Decode(Block):
    height: Annotated[int, Field(ge=16)]  # pixels, as stored
    width: Annotated[int, Field(ge=16)]  # pixels, as stored
    codec: Literal["zstd", "jpeg"]  # zstd is lossless
    quality: Annotated[int, Field(ge=1, le=100)]  # of jpeg
    store: bool  # false: nothing is stored, clips are decoded from the video files each time
    stride: Count  # keeps every n-th frame of a video: 0, n, 2n, ...
    frames_per_shard: Annotated[int, Field(ge=16, multiple_of=16)]  # frames in a file of the store


class Data(Block):
    num_frames: Count
    frame_stride: Count  # between a clip's frames; counts stored frames, those that decode.stride keeps
    pad: Literal["last", "loop"]  # videos shorter than a clip
    crop: Annotated[int, Field(ge=32)]  # pixels, square
    short_side_min: Annotated[int, Field(ge=32)]  # pixels; training draws the short side from [min, max]
    short_side_max: Annotated[int, Field(ge=32)]  # pixels
    short_side_eval: Annotated[int, Field(ge=32)]  # pixels; of test clips, cropped in the middle
    flip: Share  # probability of a horizontal flip
    colour: Annotated[float, Field(ge=0, lt=1)]  # how far a training clip's colours change (`clips.colour`)

    @model_validator(mode="after")
    def _fits(self) -> "Data":
        if self.short_side_max < self.short_side_min:
            raise ValueError(
                f"short_side_max: expected at least short_side_min ({self.short_side_min}), got {self.short_side_max}"
            )
        for name in ("short_side_min", "short_side_eval"):
            if getattr(self, name) < self.crop:
                raise ValueError(f"{name}: expected at least crop ({self.crop}), got {getattr(self, name)}")
        return self


class Mask(Block):
    score_threshold: Annotated[float, Field(gt=0, le=1)]  # least score of an instance of the union mask
    groups: Annotated[list[str], Field(min_length=1)]  # of the mask store: those that count as the object
    resize: Literal["nearest", "area", "max"]  # stored mask to the attention map's grid
    time: Literal["max", "mean"]  # masks of a clip's frames to the map's time steps, where a backbone has fewer of them


class Truth(Block):
    """Ground-truth masks, for scoring only. They have a threshold and groups of their own, whatever `mask` says."""

    store: Annotated[str, Field(min_length=1)]  # directory in the mask store's format (docs/truth.md)
    score_threshold: Annotated[float, Field(gt=0, le=1)]  # least score of a true instance
    groups: Annotated[list[Group], Field(min_length=1)]  # of the truth's instances: those that count as the object


class Model(Block):
    backbone: str  # x3d | torchvision:<name> | hf:<directory or name> | file.py:function
    width_factor: Positive  # of x3d
    depth_factor: Positive  # of x3d
    split: str  # last stage of the feature extractor: res2, res3 or res4 of x3d, a stage's name of another backbone
    pretrained: str | None  # kinetics400 (x3d: pytorchvideo's zoo), a file of weights (hf: or the folder), or null
    frozen: str | None  # last stage that stays as pretrained
    attention_depth: Count  # residual blocks in the attention branch
    attention_channels: Count  # of the attention branch
    attention_convs: Literal[2, 3]  # of the branch's head: the text has two, ABN's released code three
    attention_gamma: Share  # the last BatchNorm's weight with which the branch's blocks start; X3D: 0, ABN: 1
    class_pool: Literal["mean", "max"]  # of the class maps, to the attention branch's logits
    feature_pool: Literal["mean", "max", "flatten"]  # of the blocks' features, to f of the PC loss
    attention_apply: Literal["multiply", "residual", "energy"]  # h1 * M | h1 * M + h1, ABN's | h1 * M at h1's energy
    mha_init: Literal["default", "identity", "object"]  # of the mixer; h2 starts as h1 * M_u | as h1 * M_o
    mixer_bias: bool  # of the mixer; no map weights it
    foreground_prior: Annotated[float, Field(ge=0.001, le=0.999)]  # M_o starts about there, M_b at 1 - it; ABN: 0.5
    dropout: Annotated[float, Field(ge=0, lt=1)]  # of the head; of another backbone's nothing where it has no dropout

    @field_validator("backbone")
    @classmethod
    def _is_known(cls, backbone: str) -> str:
        if backbone != X3D and not OWN_BACKBONE.fullmatch(backbone):
            expected = "x3d, torchvision:<name>, hf:<directory or name> or file.py:function"
            raise ValueError(f": expected {expected}, got {backbone!r}")
        return backbone

    @field_validator("split", "frozen")
    @classmethod
    def _is_a_stage(cls, stage: str | None, info: ValidationInfo) -> str | None:
        """Check the stages of an X3D; those of another backbone are known where it is built."""
        stages = BLOCKS[1:4] if info.field_name == "split" else BLOCKS[:4]
        if info.data.get("backbone", X3D) == X3D and stage is not None and stage not in stages:
            raise ValueError(f": expected {_listed(stages)}, got {stage!r}")
        return stage

    @model_validator(mode="after")
    def _can_freeze(self) -> "Model":
        if self.frozen is not None:
            if self.pretrained is None:
                raise ValueError(f"frozen: expected null without pretrained weights, got {self.frozen!r}")
            if self.backbone == X3D and BLOCKS.index(self.frozen) > BLOCKS.index(self.split):
                raise ValueError(f"frozen: expected a block of the extractor (up to {self.split}), got {self.frozen!r}")
        return self


def _listed(names: Sequence[str]) -> str:
    """Names as pydantic lists those of a Literal."""
    *others, last = map(repr, names)
    return f"{', '.join(others)} or {last}"


class LossWeights(Block):
    """The lambdas of the total loss."""

    attention: NonNegative  # lambda
    background: NonNegative  # lambda_b
    mask: NonNegative  # lambda_mask
    mha: NonNegative  # lambda_mha
    pc: NonNegative  # lambda_PC
    pc1: NonNegative  # lambda_PC1
    pc2: NonNegative  # lambda_PC2
    even: NonNegative  # of the penalty on answers under an even weight; not the paper's


class Train(Block):
    epochs: Count  # passes over the training videos
    share: Annotated[float, Field(gt=0, le=1)]  # of the training videos, whole recordings at a time
    batch_size: Annotated[int, Field(ge=2)]  # clips
    accumulate: Count  # batches whose mean gradient makes a step
    lr: Positive
    new_layers_lr: Positive | None  # of the layers that no backbone brings; null: lr
    schedule: Literal["constant", "cosine"]  # of both
    centroid_std: Positive  # of the normal distribution the class centroids are drawn from
    centroid_lr: Positive | None  # null: lr
    push_centroid_lr: Positive | None  # of the second set; null: lr
    weight_decay: NonNegative  # of Adam, on all weights but the centroids
    pc_norm: Literal["l2", "squared"]
    pc_centroids: Literal["one", "two"]  # two: a set that pulls and a set that pushes
    pc_between: bool  # with the term of the centroids among themselves
    report: Literal["last", "best"]  # the epoch whose weights are kept: the last, or the one of the best val_top1
    threads: Count | None  # of a process on the CPU; they determine the last bits of every number; null: all cores
    devices: Count  # processes on a machine, one a GPU; each takes its share of batch_size
    nodes: Count  # machines
    sync_batchnorm: bool  # BatchNorm over all processes' clips; false: each over its own
    accelerator: Literal["auto", "cpu", "cuda"]
    precision: Literal["auto", "32-true", "bf16-mixed"]  # auto: bf16-mixed on a GPU that computes in it (sm_80 on)
    depthwise: Literal["auto", "triton", "native", "channels_last", "conv2d"]  # how a GPU convolves by channel
    compile: bool  # the network through torch.compile, on a GPU
    deterministic: bool  # a GPU's kernels that give the same bits again, where there are such; slower

    @model_validator(mode="after")
    def _can_share(self) -> "Train":
        if self.batch_size % (processes := self.devices * self.nodes):
            expected = f"a multiple of devices * nodes ({processes})"
            raise ValueError(f"batch_size: expected {expected}, got {self.batch_size}")
        if self.sync_batchnorm and self.accelerator == "cpu":
            raise ValueError("sync_batchnorm: expected false on the CPU, got true")
        return self


class Eval(Block):
    start: Literal["centre", "random"]
    views: Count  # clips a video, evenly spaced in time; their probabilities are averaged
    batch_size: Count
    flat_range: Annotated[float, Field(gt=0, le=1)]  # a frame's map with less between min and max has no entropy
    entropy_bins: Annotated[int, Field(ge=2)]
    entropy_size: Count | None  # cells a side of the map that the entropy is of, resized bilinearly; null: its own grid
    ranking_videos: Annotated[int, Field(ge=0)] | None  # with insertion and deletion; null: all, of all seeds
    ranking_seeds: Literal["first", "all"]  # whose networks rank them; an interval takes all
    camera: Literal["still", "moving"]  # of audits on other backgrounds: a clip's is one plate, or each frame's own


class GradCam(Block):
    layer: str  # whose features Grad-CAM and LayerCAM weight: split, or a stage behind it (of x3d: res4, res5)


class Machine(Block):
    """How the work is done. None of it changes a result, so no stage of dvc.yaml depends on it."""

    decode_workers: Count | None  # processes; null: one a core
    decode_timeout_sec: Annotated[float, Field(gt=0, le=1e6)]  # a video that takes longer has failed
    max_failed: Share  # segmentation and training refuse to start when more of a split is missing
    segment_engine: Literal["local", "ray"]  # this machine | Ray's actors, on this machine or a cluster
    segment_workers: Count | None  # processes without a GPU, or Ray's actors; null: one a core, or one a GPU
    loader_workers: Annotated[int, Field(ge=0)]  # processes that load clips; 0 loads in the training process
    checkpoint_minutes: Positive  # between two checkpoints within an epoch; there is one after each epoch anyway
    # They are shown curves and maps (docs/trackers.md). In no record of a run, so old files and runs may lack it.
    trackers: Annotated[list[Tracker], EACH_ONCE, Field(default_factory=list, exclude=True)]


class Dataset(Block):
    videos: str  # directory that the paths in index.csv are relative to
    truth: Truth | None
    published: Literal["ucf101", "ssv2"] | None  # the paper's results that stand beside ours
    synthesize: Synthesize | None = None  # embedded data only
    decode: Decode
    segment: Segment
    data: Data
    mask: Mask
    model: Model
    loss_weights: LossWeights
    train: Train
    eval: Eval
    gradcam: GradCam
    machine: Machine

    @property
    def plane_names(self) -> tuple[str, ...]:
        """Names of the mask store's groups, in the order of its planes."""
        return plane_names(self.segment)

    @field_validator("mask")
    @classmethod
    def _groups_are_stored(cls, mask: Mask, info: ValidationInfo) -> Mask:
        """Check the groups as soon as the segmenter's block is right, whatever is wrong elsewhere."""
        names = plane_names(info.data["segment"]) if "segment" in info.data else tuple(mask.groups)
        for number, group in enumerate(mask.groups):
            if group not in names:
                raise ValueError(f"groups.{number}: expected {' or '.join(map(repr, names))}, got {group!r}")
        return mask

    @field_validator("gradcam")
    @classmethod
    def _is_behind_the_split(cls, gradcam: GradCam, info: ValidationInfo) -> GradCam:
        layers = ("split", "res4", "res5")
        if "model" in info.data and info.data["model"].backbone == X3D and gradcam.layer not in layers:
            raise ValueError(f"layer: expected {_listed(layers)}, got {gradcam.layer!r}")
        return gradcam

    @model_validator(mode="after")
    def _masks_exist(self) -> "Dataset":
        if isinstance(self.segment, Motion) and "other" not in self.mask.groups:
            raise ValueError(f"mask.groups: expected other in it (motion cannot tell persons), got {self.mask.groups}")
        if isinstance(self.segment, Import) and self.segment.format in ("png", "npz", "jhmdb"):
            names, why = self.plane_names, f"segment.class_name is {self.segment.class_name!r}"
            group = self.segment.class_name if self.segment.class_name in names else "other"
            if group not in names:
                expected = f"expected one of segment.groups ({', '.join(names)})"
                raise ValueError(f"segment.class_name: {expected}, got {self.segment.class_name!r}")
            if group not in self.mask.groups:
                raise ValueError(f"mask.groups: expected {group} in it ({why}), got {self.mask.groups}")
        if isinstance(self.segment, MaskRCNN | FromHub) and self.mask.score_threshold < self.segment.score_floor:
            raise ValueError(
                f"mask.score_threshold: expected at least segment.score_floor ({self.segment.score_floor}), "
                f"got {self.mask.score_threshold}"
            )
        if isinstance(self.segment, Semantic) and self.mask.score_threshold < LEAST_PROBABILITY:
            expected = f"at least {LEAST_PROBABILITY} ({self.segment.model} stores no lower probability)"
            raise ValueError(f"mask.score_threshold: expected {expected}, got {self.mask.score_threshold}")
        return self


class Params(Block):
    dataset: str
    loss: Loss
    table: Table
    controls: dict[str, AnyControl]
    datasets: dict[str, Dataset]
