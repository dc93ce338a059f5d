"""What tables say of rows that were not trained here."""

from collections.abc import Mapping, Sequence
from typing import Any


def layers_elsewhere(networks: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Say at which layers Grad-CAM of the rows stands that were not trained here.

    Args:
        networks: by row what its run says of its network.

    >>> layers_elsewhere({"r3d": {"spec": "torchvision:r3d_18", "layer": "layer4", "split": "layer3"}})
    ['Not trained here, r3d (torchvision:r3d_18): Grad-CAM at layer4, (split) at layer3.']
    """
    told = [
        f"{name} ({own['spec']}): Grad-CAM at {own['layer']}, (split) at {own['split']}"
        for name, own in networks.items()
    ]
    return [f"Not trained here, {'; '.join(told)}."] if told else []


def no_trainings(names: Sequence[str]) -> str:
    """Say what intervals do not cover of rows that were not trained here; nothing where there are none.

    >>> no_trainings(["r3d"])
    ' r3d was not trained here: it is one network, and no interval covers another of it.'
    """
    if not names:
        return ""
    are, each = ("were", "each") if len(names) > 1 else ("was", "it")
    return f" {', '.join(names)} {are} not trained here: {each} is one network, and no interval covers another of it."
