"""What the blocks of params.yaml are made of: a frozen block, and numbers with their ranges."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]


def _each_once(values: list[Any]) -> list[Any]:
    if len(set(values)) != len(values):
        raise ValueError(f": expected each value once, got {values}")
    return values


EACH_ONCE = AfterValidator(_each_once)  # of a list


class Block(BaseModel):
    """A frozen block of parameters that rejects unknown keys and does not coerce types."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")
