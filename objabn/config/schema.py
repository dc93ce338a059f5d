"""The schema of params.yaml (`config.file` reads it).

No parameter has a default here: DVC tracks the values in params.yaml, not this file, so a default that changed would
leave stale results. The field comments give units.
"""

import re
from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator

from objabn.config.blocks import Block, Count, NonNegative, Positive, Seed, Share
from objabn.config.prompted import FromHub, Sam3, Transformers
from objabn.config.rows import Control, Loss, Table

BLOCKS = ("stem", "res2", "res3", "res4", "res5")  # of an X3D, before its head
GROUPS = ("person", "other")  # of masks whose segmenter has no prompts (`stores.masks`), and of the truth
Group = Literal["person", "other"]
SemanticModel = Literal["lraspp_mobilenet_v3_large", "deeplabv3_mobilenet_v3_large", "deeplabv3_resnet50"]
SEMANTIC = get_args(SemanticModel)
LEAST_PROBABILITY = 0.05  # that masks of a semantic model are stored with
NAME = re.compile(r"[a-z][a-z0-9_]*")


class Synthesize(Block):
    seed: Seed
    train_videos: Count
    test_videos: Count
    min_frames: Annotated[int, Field(ge=2)]
    max_frames: Annotated[int, Field(ge=2)]
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
    width: Annotated[int, Field(ge=16)]
    codec: Literal["zstd", "jpeg"]  # zstd is lossless
    quality: Annotated[int, Field(ge=1, le=100)]  # of jpeg
    store: bool  # false: nothing is stored, clips are decoded from the video files each time
    stride: Count  # keeps every n-th frame of a video: 0, n, 2n, ...
    frames_per_shard: Annotated[int, Field(ge=16, multiple_of=16)]


class Motion(Block):
    backend: Literal["motion"]
    stride: Count  # segments every n-th stored frame; the frames between have the masks of the last one
    threshold: Positive  # distance of RGB colours (0-255) between a pixel and its background
    min_area: Share  # of the frame


class MaskRCNN(Block):
    stride: Count  # segments every n-th stored frame; the frames between have the masks of the last one
    short_edge: Annotated[int, Field(ge=32)]  # pixels, of the network's input
    proposals: Count
    score_floor: Annotated[float, Field(gt=0, le=1)]  # instances below are not stored
    batch_size: Count


class Torchvision(MaskRCNN):
    backend: Literal["torchvision"]
    weights: str  # zoo (torchvision downloads them), or path of a .pth
    model: Literal[
        "maskrcnn_resnet50_fpn_v2", "maskrcnn_resnet50_fpn", "figures"
    ]  # figures: the embedded data's small one


class Semantic(Block):
    """Models of torchvision that tell classes, cell by cell, and no instances: no proposals, no floor of scores."""

    backend: Literal["torchvision"]
    stride: Count  # segments every n-th stored frame; the frames between have the masks of the last one
    weights: str  # zoo (torchvision downloads them), or path of a .pth
    model: SemanticModel
    short_edge: Annotated[int, Field(ge=32)]  # pixels, of the network's input
    batch_size: Count


class Detectron2(MaskRCNN):
    backend: Literal["detectron2"]
    weights: str  # zoo (detectron2 downloads them), or path of a .pkl as the zoo's, or of a .pth
    model: str  # name of a Mask R-CNN's config in detectron2's model zoo


class Import(Block):
    backend: Literal["import"]
    masks: str  # a directory (<video id>/<frame>.png, <video id>.npz ...) or a json: see `segmenters.imported`
    format: Literal["png", "coco", "youtube-vis", "label-studio", "npz", "jhmdb"]
    class_name: Annotated[str, Field(min_length=1)]  # of instances that come without one: PNGs and puppets have none
    sparse: Literal["none", "nearest"]  # none: all frames have masks | nearest: a frame takes those nearest in time
    images: str | None  # coco, youtube-vis: the json with the images or videos of a list of results

    @model_validator(mode="after")
    def _has_use(self) -> "Import":
        if self.sparse != "none" and self.format == "jhmdb":
            raise ValueError(f"sparse: expected none (puppets are of all frames), got {self.sparse!r}")
        if self.images is not None and self.format not in ("coco", "youtube-vis"):
            raise ValueError(
                f"images: expected null (format {self.format} has no list of results), got {self.images!r}"
            )
        return self


OfTorchvision = Annotated[Torchvision | Semantic, Field(discriminator="model")]
Segment = Annotated[Motion | OfTorchvision | Detectron2 | Import | Transformers | Sam3, Field(discriminator="backend")]


class Data(Block):
    num_frames: Count
    frame_stride: Count  # between a clip's frames; counts stored frames, those that decode.stride keeps
    pad: Literal["last", "loop"]  # videos shorter than a clip
    crop: Annotated[int, Field(ge=32)]  # pixels, square
    short_side_min: Annotated[int, Field(ge=32)]  # pixels; training draws the short side from [min, max]
    short_side_max: Annotated[int, Field(ge=32)]
    short_side_eval: Annotated[int, Field(ge=32)]
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
    score_threshold: Annotated[float, Field(gt=0, le=1)]
    groups: Annotated[list[str], Field(min_length=1)]  # of `Dataset.plane_names`
    resize: Literal["nearest", "area", "max"]  # stored mask to the attention map's grid


class Truth(Block):
    """Ground-truth masks, for scoring only. They have a threshold and groups of their own, whatever `mask` says."""

    store: Annotated[str, Field(min_length=1)]  # directory in the mask store's format (docs/truth.md)
    score_threshold: Annotated[float, Field(gt=0, le=1)]
    groups: Annotated[list[Group], Field(min_length=1)]  # of the truth's instances: those that count as the object


class Model(Block):
    width_factor: Positive
    depth_factor: Positive
    split: Literal["res2", "res3", "res4"]  # last stage of the feature extractor
    pretrained: str | None  # kinetics400 (pytorchvideo's zoo), a path of that format, or null
    frozen: Literal["stem", "res2", "res3", "res4"] | None  # last block that stays as pretrained
    attention_depth: Count  # residual blocks in the attention branch
    attention_channels: Count
    attention_convs: Literal[2, 3]  # of the branch's head: the text has two, ABN's released code three
    attention_gamma: Share  # the last BatchNorm's weight with which the branch's blocks start; X3D: 0, ABN: 1
    class_pool: Literal["mean", "max"]  # of the class maps, to the attention branch's logits
    feature_pool: Literal["mean", "max", "flatten"]  # of the blocks' features, to f of the PC loss
    attention_apply: Literal["multiply", "residual", "energy"]  # h1 * M | h1 * M + h1, ABN's | h1 * M at h1's energy
    mha_init: Literal["default", "identity", "object"]  # of the mixer; h2 starts as h1 * M_u | as h1 * M_o
    mixer_bias: bool  # of the mixer; no map weights it
    foreground_prior: Annotated[float, Field(ge=0.001, le=0.999)]  # M_o starts about there, M_b at 1 - it; ABN: 0.5
    dropout: Annotated[float, Field(ge=0, lt=1)]

    @model_validator(mode="after")
    def _can_freeze(self) -> "Model":
        if self.frozen is not None:
            if self.pretrained is None:
                raise ValueError(f"frozen: expected null without pretrained weights, got {self.frozen!r}")
            if BLOCKS.index(self.frozen) > BLOCKS.index(self.split):
                raise ValueError(f"frozen: expected a block of the extractor (up to {self.split}), got {self.frozen!r}")
        return self


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
    epochs: Count
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
    layer: Literal["split", "res4", "res5"]  # whose features Grad-CAM and LayerCAM weight; none lies before the split


class Machine(Block):
    """How the work is done. None of it changes a result, so no stage of dvc.yaml depends on it."""

    decode_workers: Count | None  # processes; null: one a core
    decode_timeout_sec: Annotated[float, Field(gt=0, le=1e6)]  # a video that takes longer has failed
    max_failed: Share  # segmentation and training refuse to start when more of a split is missing
    segment_engine: Literal["local", "ray"]  # this machine | Ray's actors, on this machine or a cluster
    segment_workers: Count | None  # processes without a GPU, or Ray's actors; null: one a core, or one a GPU
    loader_workers: Annotated[int, Field(ge=0)]  # processes that load clips; 0 loads in the training process
    checkpoint_minutes: Positive  # between two checkpoints within an epoch; there is one after each epoch anyway


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
        return tuple(self.segment.prompts) if isinstance(self.segment, Sam3) else GROUPS

    @model_validator(mode="after")
    def _masks_exist(self) -> "Dataset":
        for number, group in enumerate(self.mask.groups):
            if group not in self.plane_names:
                expected = " or ".join(map(repr, self.plane_names))
                raise ValueError(f"mask.groups.{number}: expected {expected}, got {group!r}")
        if isinstance(self.segment, Motion) and "other" not in self.mask.groups:
            raise ValueError(f"mask.groups: expected other in it (motion cannot tell persons), got {self.mask.groups}")
        if isinstance(self.segment, Import) and self.segment.format in ("png", "npz", "jhmdb"):
            group = "person" if self.segment.class_name == "person" else "other"
            if group not in self.mask.groups:
                why = f"segment.class_name is {self.segment.class_name!r}"
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
    controls: dict[str, Control]
    datasets: dict[str, Dataset]
