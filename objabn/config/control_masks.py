"""Which masks a control is trained with: a word, or a block that says what they are and what is done to them."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from objabn.config.blocks import Block, Positive, Share


class _Disturbed(Block):
    shift: Annotated[float, Field(ge=0, le=0.5)]  # of the frame's side; farther than half is nearer, around the frame
    drop: Share  # share of a video's frames whose mask is emptied


class OwnMasks(_Disturbed):
    of: Literal["own"]  # the mask store's


class TrueMasks(_Disturbed):
    of: Literal["truth"]  # of the data set's `truth`, with its threshold and groups


class MotionMasks(_Disturbed):
    of: Literal["motion"]  # what moves before a still camera, in the stored frames; all of it counts
    threshold: Positive  # distance of RGB colours (0-255) between a pixel and its background
    min_area: Share  # of the frame


GivenMasks = OwnMasks | TrueMasks | MotionMasks
MasksName = Literal["own", "shifted", "other"]


def _kind(value: Any) -> str:
    return "block" if isinstance(value, (dict, Block)) else "name"


ControlMasks = Annotated[
    Annotated[MasksName, Tag("name")] | Annotated[Annotated[GivenMasks, Field(discriminator="of")], Tag("block")],
    Discriminator(_kind),
]
