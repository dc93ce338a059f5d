"""Which backbones the rows have, and at which layers Grad-CAM of those stands that have another one."""

from objabn.config.schema import X3D, Dataset, Model
from objabn.report.comparison import Comparison


def backbone_words(comparison: Comparison) -> str:
    """Name the backbone and its weights, and those of rows that were trained with another one."""
    own = comparison.params.model
    others = {
        row.name: comparison.block(row).model
        for row in comparison.rows
        if row not in comparison.elsewhere and comparison.block(row).model.backbone != own.backbone
    }
    return "; ".join([_words(own), *(f"of {name} {_words(model, named=True)}" for name, model in others.items())])


def _words(model: Model, *, named: bool = False) -> str:
    """The weights of a backbone, behind its name where it is not X3D, or where X3D is to be named, too."""
    name = "" if model.backbone == X3D and not named else f"{model.backbone}, "
    return f"{name}{model.pretrained or 'from scratch'}"


def other_layers(comparison: Comparison) -> list[str]:
    """Say which trained rows have another backbone, or Grad-CAM at another layer, than the data set's."""
    own, told = comparison.params, []
    for row in comparison.rows:
        block = comparison.block(row)
        if row in comparison.elsewhere or _place(block) == _place(own):
            continue
        backbone = f", in {block.model.backbone}" * (block.model.backbone != own.model.backbone)
        told.append(f"{row.name} at {layer_words(block.gradcam.layer)}{backbone}")
    return [f"Other layers of Grad-CAM and LayerCAM: {'; '.join(told)}."] if told else []


def _place(block: Dataset) -> tuple[str, str]:
    return block.model.backbone, block.gradcam.layer


def layer_words(layer: str) -> str:
    """Name a layer in a sentence.

    >>> layer_words("split"), layer_words("res5")
    ('the split', 'res5')
    """
    return "the split" if layer == "split" else layer
