"""params.yaml: schema, loading and validation.

Every stage loads the whole file through `load_params`; all faults come out together, one line each, before
any heavy import. The field comments give units; the defaults are the paper's (UCF101) where the paper fixes
a value, and our documented decision where it is silent.
"""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

# The attention maps of each configuration, in the model's order: unconstrained, object-constrained, background.
MAPS = {"abn": ("u",), "mask": ("o",), "mha": ("u", "o", "b")}
Attention = Literal["abn", "mask", "mha"]
Group = Literal["person", "other"]
NAME = re.compile(r"[a-z][a-z0-9_]*")

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]


class Block(BaseModel):
    """A frozen block of parameters that rejects unknown keys and does not coerce types."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class Loss(Block):
    attention: Attention = "abn"
    pc: bool = False


class Table(Block):
    attention: Annotated[list[Attention], Field(min_length=1)]
    pc: Annotated[list[bool], Field(min_length=1)]
    seeds: Annotated[list[Seed], Field(min_length=1)]

    @model_validator(mode="after")
    def _no_repeats(self) -> "Table":
        for name in ("attention", "pc", "seeds"):
            values = getattr(self, name)
            if len(set(values)) != len(values):
                raise ValueError(f"{name}: expected each value once, got {values}")
        return self


class Synthesize(Block):
    seed: Seed = 0
    train_videos: Count = 160
    test_videos: Count = 128
    min_frames: Annotated[int, Field(ge=2)] = 32
    max_frames: Annotated[int, Field(ge=2)] = 40
    height: Annotated[int, Field(ge=32, multiple_of=2)] = 120  # pixels
    width: Annotated[int, Field(ge=32, multiple_of=2)] = 160  # pixels
    figure_size: Annotated[float, Field(gt=0.1, le=0.7)] = 0.62  # mean figure height, share of the shorter side
    bias: Share = 0.0  # probability that the background kind is the action's own (training videos)
    test_bias: Annotated[float, Field(ge=-1, le=1)] = 0.0  # the same for test videos; negative: another action's

    @model_validator(mode="after")
    def _ordered(self) -> "Synthesize":
        if self.max_frames < self.min_frames:
            raise ValueError(f"max_frames: expected at least min_frames ({self.min_frames}), got {self.max_frames}")
        return self


class Decode(Block):
    height: Annotated[int, Field(ge=16)] = 240  # pixels, as stored
    width: Annotated[int, Field(ge=16)] = 320
    codec: Literal["zstd", "jpeg"] = "jpeg"  # zstd is lossless
    quality: Annotated[int, Field(ge=1, le=100)] = 95  # of jpeg
    store: bool = True  # false: nothing is stored, clips are decoded from the video files each time
    frames_per_shard: Annotated[int, Field(ge=16, multiple_of=16)] = 4096
    max_failed: Share = 0.01  # training refuses to start when more of a split is missing


class Segment(Block):
    backend: Literal["torchvision", "motion"] = "torchvision"
    # torchvision
    weights: str | None = None  # path of torchvision's .pth
    # figures: the small one of the embedded data
    model: Literal["maskrcnn_resnet50_fpn_v2", "maskrcnn_resnet50_fpn", "figures"] = "maskrcnn_resnet50_fpn_v2"
    short_edge: Annotated[int, Field(ge=32)] = 800  # pixels, of the network's input
    proposals: Count = 1000
    score_floor: Annotated[float, Field(gt=0, le=1)] = 0.05  # instances below are not stored
    batch_size: Count = 4
    # motion
    threshold: Positive = 25.0  # distance of RGB colours (0-255) between a pixel and its background
    min_area: Share = 0.002  # of the frame

    @model_validator(mode="after")
    def _weights(self) -> "Segment":
        if self.backend == "torchvision" and not self.weights:
            raise ValueError("weights: expected the path of a torchvision checkpoint (backend: torchvision), got none")
        return self


class Data(Block):
    num_frames: Count = 16
    frame_stride: Count = 4
    pad: Literal["last", "loop"] = "last"  # videos shorter than a clip
    crop: Annotated[int, Field(ge=32)] = 224  # pixels, square
    short_side_min: Annotated[int, Field(ge=32)] = 256  # pixels; training draws the short side from [min, max]
    short_side_max: Annotated[int, Field(ge=32)] = 320
    short_side_eval: Annotated[int, Field(ge=32)] = 256
    flip: Share = 0.5  # probability of a horizontal flip

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
    score_threshold: Annotated[float, Field(gt=0, le=1)] = 0.5
    groups: Annotated[list[Group], Field(min_length=1)] = ["person", "other"]
    resize: Literal["nearest", "area", "max"] = "nearest"  # stored mask to the attention map's grid


class Model(Block):
    width_factor: Positive = 2.0
    depth_factor: Positive = 2.2
    split: Literal["res2", "res3", "res4"] = "res4"  # last stage of the feature extractor
    pretrained: str | None = "kinetics400"  # kinetics400 (pytorchvideo's zoo), a path of that format, or null
    attention_depth: Count = 3  # residual blocks in the attention branch
    attention_channels: Count = 192
    attention_apply: Literal["multiply", "residual"] = "multiply"  # h1 * M, or h1 * M + h1 as in ABN's released code
    mha_init: Literal["default", "identity"] = "default"
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5


class Weights(Block):
    attention: NonNegative = 1.0  # lambda
    background: NonNegative = 1.0  # lambda_b
    mask: NonNegative = 10.0  # lambda_mask
    mha: NonNegative = 10.0  # lambda_mha
    pc: NonNegative = 1e-4  # lambda_PC
    pc1: NonNegative = 1.0  # lambda_PC1
    pc2: NonNegative = 1e-3  # lambda_PC2


class Train(Block):
    epochs: Count = 50
    batch_size: Annotated[int, Field(ge=2)] = 16  # clips
    lr: Positive = 1e-4
    centroid_std: Positive = 1.0  # of the normal distribution the class centroids are drawn from
    centroid_lr: Positive | None = None  # null: lr
    pc_norm: Literal["l2", "squared"] = "l2"
    workers: Annotated[int, Field(ge=0)] = 8  # loader processes; 0 loads in the training process
    accelerator: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["32-true", "bf16-mixed"] = "32-true"


class Eval(Block):
    start: Literal["centre", "random"] = "centre"
    views: Count = 1  # clips a video, evenly spaced in time; their probabilities are averaged
    batch_size: Count = 16


class Dataset(Block):
    videos: str  # directory that the paths in index.csv are relative to
    truth: str | None = None  # ground-truth masks in the mask store's format, for scoring only
    synthesize: Synthesize | None = None  # embedded data only
    decode: Decode
    segment: Segment
    data: Data
    mask: Mask
    model: Model
    weights: Weights
    train: Train
    eval: Eval


class Params(Block):
    dataset: str
    loss: Loss
    table: Table
    datasets: dict[str, Dataset]


class ParamsError(ValueError):
    """All faults of a parameter file, one line each."""


class _Loader(yaml.SafeLoader):
    """PyYAML with YAML 1.2's scalars: `1e-4` is a float, `yes` and `012` are what they look like."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=deep)
            if not isinstance(key, str):
                raise yaml.constructor.ConstructorError(None, None, f"key {key!r}: expected text", key_node.start_mark)
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key {key!r} given twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {}  # none of YAML 1.1
_NUMBER_START = list("-+0123456789.")
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""])
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"[-+]?(?:0|[1-9][0-9]*)$"), _NUMBER_START)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"[-+]?(?:(?:\.[0-9]+|[0-9]+\.[0-9]*)(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+|\.(?:inf|Inf|INF))$|\.(?:nan|NaN|NAN)$"
    ),
    _NUMBER_START,
)


def read_yaml(text: str) -> Any:
    """Parsed YAML with 1.2 scalars. Raises: yaml.YAMLError on a syntax fault or a repeated key."""
    return yaml.load(text, Loader=_Loader)


def parse_params(text: str, name: str = "params.yaml") -> Params:
    """Validated parameters from the text of a parameter file.

    Raises:
        ParamsError: with every fault, one line each: `<name>: <full key>: <expected>, got <value>`.
    """
    try:
        values = read_yaml(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise ParamsError(f"{name}: {where}not valid YAML: {problem}") from None
    if not isinstance(values, dict):
        raise ParamsError(f"{name}: expected a mapping of parameters, got {_short(values)}")
    faults = _selection_faults(values)
    try:
        params = Params.model_validate(values)
    except ValidationError as error:
        faults = [line for fault in error.errors() for line in _describe(fault)] + faults
    if faults:
        raise ParamsError("\n".join(f"{name}: {fault}" for fault in faults))
    return params


def load_params(path: str | Path = "params.yaml") -> Params:
    """Validated parameters of a file. Raises: ParamsError (also when the file cannot be read)."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise ParamsError(f"{path}: expected a readable parameter file, got: {reason}") from None
    return parse_params(text, str(path))


def _selection_faults(values: dict) -> list[str]:
    """Faults between blocks, on the raw values so that they come out beside the faults within a block."""
    datasets, table, loss = (values.get(key) or {} for key in ("datasets", "table", "loss"))
    if not all(isinstance(block, dict) for block in (datasets, table, loss)):
        return []
    faults = [
        f"datasets.{name}: expected a name of a-z, 0-9 and _, starting with a letter, got {name!r}"
        for name in datasets
        if not NAME.fullmatch(name)
    ]
    dataset = values.get("dataset")
    if isinstance(dataset, str) and dataset not in datasets:
        faults.append(f"dataset: expected one of {', '.join(sorted(datasets))}, got {dataset!r}")
    for key, kind in (("attention", str), ("pc", bool)):
        rows = table.get(key)
        if isinstance(loss.get(key), kind) and isinstance(rows, list) and loss[key] not in rows:
            faults.append(f"loss.{key}: expected one of the rows in table.{key} {rows}, got {loss[key]!r}")
    return faults


def _short(value: Any) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _describe(fault: Any) -> list[str]:
    """Lines for one pydantic fault: the full dotted key, what was expected, what was found."""
    key = ".".join(str(part) for part in fault["loc"])
    kind, got = fault["type"], fault["input"]
    if kind == "extra_forbidden":
        return [f"{key}: not a known parameter"]
    if kind == "missing":
        return [f"{key}: missing"]
    if kind == "value_error":  # raised by our own validators, whose messages begin with the key below `key`
        return [f"{key}.{line}" if key else line for line in str(fault["ctx"]["error"]).splitlines()]
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return [f"{key}: expected a block of parameters, got {_short(got)}"]
    if kind == "too_short":
        return [f"{key}: expected at least one value, got {_short(got)}"]
    message = fault["msg"].removeprefix("Input should be ").removeprefix("a valid ")
    return [f"{key}: expected {message}, got {_short(got)}"]
