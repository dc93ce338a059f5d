"""Make a backbone of another network than X3D: for a training with an attention branch, or for a pretraining.

`model.backbone` names it: torchvision:NAME, hf:FOLDER, or FILE.py:FUNCTION, a function that takes the number of classes
and returns an `nn.Sequential` of stages, the last of which is the head.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from objabn.config.schema import Model
from objabn.model.backbone import Backbone, as_tested, check_gradients
from objabn.model.interface import identity
from objabn.model.pretrained import classifier_of, fitting
from objabn.networks.checkpoints import KIND as OF_TRANSFORMERS
from objabn.networks.checkpoints import folder_of
from objabn.networks.grids import grid_shape
from objabn.networks.hf_files import settings_of, weights_of
from objabn.networks.own import call, file_of, seeded, state_digest
from objabn.networks.plain_blocks import plain_blocks
from objabn.networks.stages import HEAD, Apply, Staged, of_file, of_torchvision
from objabn.networks.torchvision import KIND as OF_TORCHVISION
from objabn.networks.tracing import trace_on_meta, trace_shapes
from objabn.networks.weights import read_state
from objabn.system.files import code_digest, file_digest

_CODE = "objabn/networks"
_SOME_CLASSES = 19  # of a check: hardly the number that somebody wrote into a function


def backbone_for(config: Model, *, num_classes: int, num_frames: int, crop: int) -> Backbone:
    """Make the backbone that `model.backbone` names.

    It has the weights of `model.pretrained`.

    Args:
        config: the block `model` of params.yaml.
        num_frames, crop: of the clips.

    Raises:
        ValueError: there is no such network, it does not take such clips, or it has no such stage; weights that are not
            there or do not fit.
    """
    spec = config.backbone
    staged = staged_for(spec, num_classes=num_classes, num_frames=num_frames, crop=crop, pretrained=config.pretrained)
    shapes = staged.shapes
    usable = [name for name in staged.names if shapes[name] is not None]
    if config.split not in usable:
        known = ", ".join(usable) or "no stage (none gives a tensor (B, C, t, h, w) of several cells)"
        raise ValueError(f"model.split: expected one of {known} of {spec}, got {config.split!r}")
    shape, at = shapes[config.split], staged.names.index(config.split) + 1
    assert shape is not None
    _, channels, steps, rows, columns = shape
    if rows != columns or steps > num_frames:
        expected = f"expected a stage of square cells and at most {num_frames} steps of time"
        raise ValueError(f"model.split: {expected}, got {config.split}, which gives {steps} x {rows} x {columns}")
    if config.frozen is not None and config.frozen not in staged.names[:at]:
        expected = f"expected a stage of the extractor ({', '.join(staged.names[:at])})"
        raise ValueError(f"model.frozen: {expected}, got {config.frozen!r}")
    head = staged.network[-1]
    for layer in head.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = config.dropout
    grid = identity if staged.from_grid is None else staged.to_grid
    return Backbone(
        stages=tuple(staged.network.children()),
        names=staged.names,
        grids=tuple(None if shapes[name] is None else grid for name in staged.names),
        at=at,
        channels=channels,
        map_frames=steps,
        map_size=rows,
        to_grid=() if staged.from_grid is None else (Apply(staged.to_grid),),
        from_grid=() if staged.from_grid is None else (Apply(staged.from_grid),),
        branch_blocks=plain_blocks,
        drawn=_drawn(staged.drawn),
    )


def _drawn(others: tuple[str, ...]) -> str:
    return f"the classifier's and {len(others)} more (first: {others[0]})" if others else "the classifier's"


def check_backbone(config: Model, layer: str, *, num_frames: int, crop: int, processes: int = 1) -> None:
    """Check that a backbone can be made, and that Grad-CAM finds its layer.

    Args:
        layer: `gradcam.layer`. processes: that train it together.

    Raises:
        ValueError: as `backbone_for`; or there is no such layer from the split on; or, with several processes, a weight
            that is not frozen has no gradient.
    """
    with torch.random.fork_rng(devices=[]):
        found = backbone_for(config, num_classes=_SOME_CLASSES, num_frames=num_frames, crop=crop)
    if processes > 1:
        frozen = 0 if config.frozen is None else found.names.index(config.frozen) + 1
        nn.ModuleList(found.stages[:frozen]).requires_grad_(False)
        stages = dict(zip((*found.names, HEAD), found.stages, strict=True))
        check_gradients(stages, (1, 3, num_frames, crop, crop), config.backbone, processes)
    behind = zip(found.names[found.at - 1 :], found.grids[found.at - 1 :], strict=True)
    layers = ["split", *(name for name, grid in behind if grid is not None)]
    if layer not in layers:
        raise ValueError(f"gradcam.layer: expected one of {', '.join(layers)} of {config.backbone}, got {layer!r}")


def staged_for(spec: str, *, num_classes: int, num_frames: int, crop: int, pretrained: str | None = None) -> Staged:
    """Take a network apart into stages, its classifier new.

    Args:
        spec: as `model.backbone`. num_frames, crop: of the clips.
        pretrained: as `model.pretrained`: a file of weights, for hf: also a folder; None: as the network draws them.

    Raises:
        ValueError: as `backbone_for`.
    """
    kind, _, name = spec.partition(":")
    if kind == OF_TRANSFORMERS:
        from objabn.networks.token_stages import of_transformers

        folder = pretrained if pretrained is not None and Path(pretrained).is_dir() else None
        staged = of_transformers(name, num_classes, num_frames, crop, folder)
        pretrained = None if folder else pretrained
    elif kind == OF_TORCHVISION:
        staged = of_torchvision(name, num_classes)
    else:
        staged = of_file(spec, num_classes)
    if pretrained is not None:
        if not Path(pretrained).is_file():
            kinds = "a file or folder" if kind == OF_TRANSFORMERS else "a file"
            raise ValueError(f"model.pretrained: expected null or {kinds} of weights of {spec}, got {pretrained!r}")
        _fill(staged, read_state(pretrained), pretrained)
    watch = trace_on_meta if kind in (OF_TRANSFORMERS, OF_TORCHVISION) else trace_shapes
    with as_tested(staged.network):
        seen = watch(staged.network, (1, 3, num_frames, crop, crop), f"model.backbone: {spec}")
    if seen.num_classes != num_classes:
        expected = f"expected logits of {num_classes} classes, the number that its function is given"
        raise ValueError(f"model.backbone: {spec}: {expected}, got {seen.num_classes}")
    outputs = {name: seen.outputs.get(name.replace(".", "_")) for name in staged.names}
    # A stage that gives a tuple is no split: the next stage would get the grid alone.
    shapes = {name: grid_shape(staged.to_grid, each) if isinstance(each, Tensor) else None
              for name, each in outputs.items()}  # fmt: skip
    return staged._replace(shapes=shapes)


def _fill(staged: Staged, state: Mapping[str, Tensor], source: str) -> None:
    """Load all weights but the classifier's, by the names of the stages or by those of the network's library."""
    found = {key: value for key, value in state.items() if not key.startswith(staged.unused)}
    known = max((staged.network, staged.original), key=lambda each: len(each.state_dict().keys() & found.keys()))
    classifier = classifier_of(staged.network[-1])[1]
    [name] = [name for name, each in known.named_modules() if each is classifier]
    new = [f"{name}.{key}" for key in classifier.state_dict()]
    known.load_state_dict(fitting(known, found, new, source), strict=False)


def inputs_of(spec: str, num_classes: int, pretrained: str | None = None) -> dict[str, str]:
    """Digest the files that a network depends on besides the code of this package.

    Returns digests: of a user's file and of those beside it that it imports, by path, and by `spec` of the weights that
    its function makes or reads, drawn by a fixed seed; of a checkpoint's config and processors' files, by `spec` and
    name, and by path of its weights where `pretrained` is a folder. A file of weights is not among them.

    Args:
        spec, pretrained: as `model.backbone` and `model.pretrained`.

    Raises:
        ValueError: as `backbone_for`.
    """
    kind, _, name = spec.partition(":")
    if kind == OF_TORCHVISION:
        return {}
    if kind != OF_TRANSFORMERS:
        place = spec.rpartition(":")[0]
        with seeded():
            made, digests = call(spec, num_classes)
        beside = Path(place).parent if place.endswith(".py") else Path()
        files = {place if file == "file" else (beside / file).as_posix(): value for file, value in digests.items()}
        return {**files, spec: state_digest(made)}
    found = {f"{spec}/{path.name}": file_digest(path) for path in settings_of(folder_of(name))}
    weights = weights_of(Path(pretrained)) if pretrained is not None and Path(pretrained).is_dir() else []
    return {**found, **{path.as_posix(): file_digest(path) for path in weights}}


def changed_file(spec: str, inputs: Mapping[str, str]) -> str | None:
    """Tell which file of those that a network was trained with is another now.

    None of them is run; one that is gone is another, too. Weights are not looked at: a run has its own.

    Args:
        spec: as `model.backbone`. inputs: of run.json, digests by name; those of other things are passed over.

    Raises:
        ValueError: a checkpoint's folder is not there.
    """
    kind, _, name = spec.partition(":")
    if kind == OF_TORCHVISION:
        return None
    if kind == OF_TRANSFORMERS:
        now = {f"{spec}/{path.name}": path for path in settings_of(folder_of(name))}
        before = {each for each in inputs if each.startswith(f"{spec}/")}
        files: dict[str, Path | None] = {each: now.get(each) for each in sorted(before | now.keys())}
    else:
        place = spec.rpartition(":")[0]
        files = {place: file_of(place), **{each: Path(each) for each in inputs if each.endswith(".py")}}
    for each, path in files.items():
        if (file_digest(path) if path is not None and path.is_file() else None) != inputs.get(each):
            return each
    return None


def code() -> dict[str, str]:
    """Digest the code of this package, which no training of an X3D depends on."""
    return {_CODE: code_digest(Path(__file__).parents[2], [_CODE])}
