"""Object-ABN: sharp attention maps for action recognition, as a reproducible DVC pipeline."""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

# What `import objabn` offers, imported when it is asked for, since torch takes seconds. By name: an `import` here would
# make all of it a dependency of each stage, which all import this package.
_OFFERED = {
    "explain": "objabn.explanation.explain:explain",
    "load": "objabn.explanation.explain:load",
    "load_model": "objabn.explanation.models:load_model",
    "losses": "objabn.training.losses",
    "metrics": "objabn.measures.arrays",
    "Adapter": "objabn.networks.adapter:Adapter",
    "AttentionBranch": "objabn.model.attention_branch:AttentionBranch",
    "ObjectABN": "objabn.model.network:ObjectABN",
}
__all__ = [
    "Adapter",
    "AttentionBranch",
    "ObjectABN",
    "__version__",
    "explain",
    "load",
    "load_model",
    "losses",
    "metrics",
]


def __getattr__(name: str) -> Any:
    """Import one of the attributes that the package offers."""
    if name not in _OFFERED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, attribute = _OFFERED[name].partition(":")
    found = import_module(module)
    return getattr(found, attribute) if attribute else found


def __dir__() -> list[str]:
    """List the offered attributes, imported or not."""
    return sorted({*globals(), *_OFFERED})
