"""What the blocks of params.yaml are made of: a frozen block, and numbers with their ranges."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]


class Block(BaseModel):
    """A frozen block of parameters that rejects unknown keys and does not coerce types."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")
