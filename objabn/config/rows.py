"""The rows of the comparison table: loss configurations and controls, and the maps that each has."""

import re
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from objabn.config.blocks import Block, Seed
from objabn.config.control_masks import ControlMasks

# The attention maps of each configuration, in the model's order: unconstrained, object-constrained, background.
MAPS: dict[str, tuple[str, ...]] = {"abn": ("u",), "mask": ("o",), "mha": ("u", "o", "b"), "plain": ()}
GRAD_CAM = "g"  # the letter of Grad-CAM's maps at `gradcam.layer`, beside those of MAPS
# Maps that every row has, whatever its network: Grad-CAM, Grad-CAM at the split, LayerCAM, centre prior, motion.
POST_HOC = (GRAD_CAM, "s", "l", "c", "m")
PERTURBATION = "p"  # of RISE's maps, in audits only
# Ways to explain any network, by the names that commands take.
METHODS = {
    "grad-cam": GRAD_CAM,
    "grad-cam-split": "s",
    "layer-cam": "l",
    "rise": PERTURBATION,
    "centre": "c",
    "motion": "m",
}
SPECS = "torchvision:NAME, hf:FOLDER, FILE.py:FUNCTION or package.module:function"  # networks of elsewhere
LETTERS = ("u", "o", "b", *POST_HOC, PERTURBATION)  # of all maps
Attention = Literal["abn", "mask", "mha"]
Colours = Literal["turbo", "viridis", "jet"]  # of maps in pictures; jet: as in the paper
Audit = Literal["rows", "backgrounds"]  # all audits of a row, or only the one on other backgrounds
LOSSES: tuple[str, ...] = get_args(Attention)
NETWORK = "network"  # key in the record of a run that was not trained here
CHANGEABLE = ("data", "mask", "model", "loss_weights", "train", "gradcam")  # blocks that a control may change
CONTROL_NAME = re.compile(r"[a-z][a-z0-9_-]*")


def map_names(attention: str) -> tuple[str, ...]:
    """List the maps that a row shows and keeps: its own, or Grad-CAM's where it has none.

    >>> map_names("mha"), map_names("plain")
    (('u', 'o', 'b'), ('g',))
    """
    return MAPS[attention] or (GRAD_CAM,)


def evaluated_maps(attention: str) -> tuple[str, ...]:
    """List the maps that a row is evaluated with: its own, and those that every row has.

    >>> evaluated_maps("mask"), evaluated_maps("plain")
    (('o', 'g', 's', 'l', 'c', 'm'), ('g', 's', 'l', 'c', 'm'))
    """
    return MAPS[attention] + POST_HOC


class Loss(Block):
    attention: Attention
    pc: bool


class Control(Block):
    """A row beside the loss configurations."""

    attention: Literal["plain", "abn", "mask", "mha"]  # plain: the backbone without an attention branch
    pc: bool  # with the PC loss
    masks: ControlMasks  # in training: its own, shifted (a wrong place), or other (a video of another class)
    labels: Literal["own", "shuffled"]  # in training: its own, or shuffled among the training videos
    set: dict[str, Any]  # keys of data, mask, model, loss_weights, train and gradcam that differ: `train.lr: 0.001`

    @model_validator(mode="after")
    def _has_masks(self) -> "Control":
        if self.masks != "own" and "o" not in MAPS[self.attention]:
            got = repr(self.masks) if isinstance(self.masks, str) else "a block"
            raise ValueError(f"masks: expected own ({self.attention} is trained without masks), got {got}")
        if self.pc and not MAPS[self.attention]:
            raise ValueError(f"pc: expected false ({self.attention} has no attention branch), got true")
        return self


class NetworkControl(Block):
    """A row of a network that was not trained here; what is measured of it is what is measured of the other rows."""

    network: str  # torchvision:NAME, hf:FOLDER, FILE.py:FUNCTION or package.module:function
    weights: str | None  # a file, random, or null: its own
    labels: str | None  # a csv `class,label`: which of its classes is which label; null: the names are the same
    layer: str | None  # of Grad-CAM and LayerCAM; null: its default
    set: dict[str, Any]  # keys of the block data that differ: the clips that the network takes

    attention: ClassVar[str] = "plain"
    pc: ClassVar[bool] = False
    masks: ClassVar[str] = "own"

    @field_validator("network")
    @classmethod
    def _is_named(cls, spec: str) -> str:
        if not re.fullmatch("[^:]+:.+", spec):
            raise ValueError(f": expected {SPECS}, got {spec!r}")
        return spec

    @field_validator("set")
    @classmethod
    def _is_of_clips(cls, changes: dict[str, Any]) -> dict[str, Any]:
        for key in changes:
            if not key.startswith("data."):
                raise ValueError(f"{key}: expected a parameter of data (the network is not trained here)")
        return changes


def _kind(value: Any) -> str:
    return (
        "adopted" if isinstance(value, NetworkControl) or (isinstance(value, dict) and "network" in value) else "made"
    )


AnyControl = Annotated[
    Annotated[Control, Tag("made")] | Annotated[NetworkControl, Tag("adopted")], Discriminator(_kind)
]


class Table(Block):
    attention: Annotated[list[Attention], Field(min_length=1)]  # loss configurations that have rows
    pc: Annotated[list[bool], Field(min_length=1)]  # without the PC loss, with it, or both
    controls: list[str]  # names of blocks under `controls`
    seeds: Annotated[list[Seed], Field(min_length=1)]
    audits: list[Audit]  # of the rows without PC and of the controls; at most one
    colours: Colours  # of the maps in all pictures

    @model_validator(mode="after")
    def _no_repeats(self) -> "Table":
        for name in ("attention", "pc", "controls", "seeds", "audits"):
            values = getattr(self, name)
            if len(set(values)) != len(values):
                raise ValueError(f"{name}: expected each value once, got {values}")
        if len(self.audits) > 1:
            raise ValueError(f"audits: expected rows or backgrounds (rows has both), got {self.audits}")
        if self.audits and False not in self.pc:
            raise ValueError(
                f"audits: expected [] without false in pc (they are of rows without PC), got {self.audits}"
            )
        return self
