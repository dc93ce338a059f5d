"""Says what is wrong in a parameter file, one line a fault."""

from typing import Any


class ParamsError(ValueError):
    """All faults of a parameter file, one line each."""


def short(value: Any) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def describe(fault: Any) -> list[str]:
    """Lines for one pydantic fault: the full dotted key, what was expected, what was found."""
    parts = [str(part) for part in fault["loc"]]
    if len(parts) > 3 and parts[2] == "segment":
        # pydantic names the chosen backend there, and the model where a backend has blocks of two kinds
        del parts[3 : 5 if parts[3] == "torchvision" and len(parts) > 4 else 4]
    if len(parts) > 2 and parts[0] == "controls":
        del parts[2]  # whether the row is trained or a network from elsewhere
    if len(parts) > 3 and parts[0] == "controls" and parts[2] == "masks":
        del parts[3 : 5 if parts[3] == "block" else 4]  # a name or a block, and which block
    key, kind, got = ".".join(parts), fault["type"], fault["input"]
    if kind == "extra_forbidden":
        return [f"{key}: not a known parameter"]
    if kind == "missing":
        return [f"{key}: missing"]
    if kind == "value_error":  # raised by our own validators, whose messages begin with the key below `key`
        lines = str(fault["ctx"]["error"]).splitlines()
        # A line that begins with a colon is about the key itself.
        return [f"{key}{'' if line[0] == ':' else '.'}{line}" if key else line for line in lines]
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return [f"{key}: expected a block of parameters, got {short(got)}"]
    if kind in ("union_tag_not_found", "union_tag_invalid"):
        context = fault["ctx"]
        of = context["discriminator"].strip("'")
        known = f": expected {context['expected_tags']}, got {context['tag']!r}" if "tag" in context else ": missing"
        return [f"{key}.{of}{known}"]
    if kind == "too_short":
        return [f"{key}: expected at least one value, got {short(got)}"]
    message = fault["msg"].removeprefix("Input should be ").removeprefix("a valid ")
    return [f"{key}: expected {message}, got {short(got)}"]
