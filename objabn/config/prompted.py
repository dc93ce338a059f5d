"""Blocks of segmenters whose weights come from the Hugging Face Hub: the library transformers, and SAM 3 by prompts."""

import re
from typing import Annotated, Literal

from pydantic import Field, model_validator

from objabn.config.blocks import Block, Count

MOST_GROUPS = 6  # as many as there are colours for
_GROUP = re.compile(r"[a-z][a-z0-9_]*")
_TAKEN = ("empty",)  # columns of results/<ds>/segment.csv: <group>_share


class FromHub(Block):
    stride: Count  # segments every n-th stored frame; the frames between have the masks of the last one
    weights: Annotated[str, Field(min_length=1)]  # name on the Hub, or a folder as `save_pretrained` writes it
    revision: Annotated[str, Field(min_length=1)] | None  # of a name: branch, tag or commit; null: main. Folders: null
    score_floor: Annotated[float, Field(gt=0, le=1)]  # instances below are not stored
    bf16: bool  # bf16 arithmetic in the feature extractor, on a GPU (not run so far); the CPU computes in float32
    overlap: bool  # reads and writes in threads beside a GPU (not run so far); changes no mask


class Transformers(FromHub):
    backend: Literal["transformers"]
    short_edge: Annotated[int, Field(ge=32)] | None  # pixels, of the network's input; null: the checkpoint's own size
    batch_size: Count  # frames


class Sam3(FromHub):
    backend: Literal["sam3"]
    prompts: Annotated[dict[str, list[Annotated[str, Field(min_length=1)]]], Field(min_length=1)]  # of each group

    @model_validator(mode="after")
    def _groups_have_names_and_texts(self) -> "Sam3":
        for name, texts in self.prompts.items():
            if not _GROUP.fullmatch(name) or name in _TAKEN:
                expected = f"a name of a-z, 0-9 and _, starting with a letter, other than {', '.join(_TAKEN)}"
                raise ValueError(f"prompts.{name}: expected {expected}, got {name!r}")
            if not texts:
                raise ValueError(f"prompts.{name}: expected at least one text, got []")
        if len(self.prompts) > MOST_GROUPS:
            raise ValueError(f"prompts: expected at most {MOST_GROUPS} groups, got {len(self.prompts)}")
        return self
