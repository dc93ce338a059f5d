"""What the demo offers: networks by name, and example videos.

Only these names are ever looked up, so a visitor of the page can load nothing that the command line has not named.
"""

import shutil
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from torchvision.models import get_model_weights

from objabn.config.rows import LOSSES
from objabn.evaluation.trained import SHIPPED, TrainedRun, find_run, load
from objabn.explanation.models import load_model
from objabn.index.names import printable
from objabn.index.suffixes import is_video
from objabn.model.run import RUN
from objabn.networks.torchvision import KIND, NETWORKS
from objabn.networks.weights import RANDOM
from objabn.report.names import Row
from objabn.synthetic.scenes import ACTIONS, make_scene, render_video
from objabn.system.downloads import torch_path
from objabn.video.write import write_video

KEPT = 2  # networks that stay loaded
EXAMPLES = 8
_CONTROLS = "controls"  # folder of a data set's controls among its runs


class Offer(NamedTuple):
    """A network that a visitor can choose.

    Attributes:
        name: on the page.
        about: a sentence on what it is.
        load: a function of the device's name, which raises ValueError where the network cannot be loaded.
        warning: a sentence that stands beside its answers; "" where none is needed.
    """

    name: str
    about: str
    load: Callable[[str], TrainedRun]
    warning: str = ""


def choose_offers(
    root: Path | None, runs: Sequence[Path], models: Sequence[str], weights: str | None = None
) -> list[Offer]:
    """List the networks that a page offers.

    Args:
        root: the checkout, or None outside of one.
        runs, models: that the command line names: then the page offers these and no others. Without them, the
            checkout's runs, the run that comes with the package, and torchvision's networks whose weights are there.
        weights: of the one model.

    Raises:
        ValueError: no finished run in a directory of `runs`; weights beside no model, or beside several.
    """
    if weights is not None and len(models) != 1:
        raise ValueError(f"--weights: expected one --model beside it, got {len(models)}")
    if runs or models:
        named = [_run_offer(path.as_posix(), path) for path in runs]
        offers = [*named, *(_model_offer(spec, weights) for spec in models)]
    else:
        offers = [*(found_runs(root) if root else []), shipped_offer(), *torchvision_offers()]
    return list({offer.name: offer for offer in offers}.values())


def found_runs(root: Path) -> list[Offer]:
    """List the finished runs of a checkout, `mha` first; of several seeds the one that `explain --run` takes."""
    offers = []
    for path in sorted((root / "runs").glob("*/*/*"), key=_order):
        *_, dataset, kind, last = path.parts
        name = last if kind == _CONTROLS else Row(kind, last == "pc-true").name
        try:
            offer = _run_offer(f"{name} ({dataset})", path, path.relative_to(root))
        except (ValueError, OSError):  # locks, timings, a training that has not ended
            continue
        offers.append(offer)
    return offers


def _order(path: Path) -> tuple[str, int, str, str]:
    *_, dataset, kind, last = path.parts
    return dataset, -LOSSES.index(kind) if kind in LOSSES else 1, kind, last


def _run_offer(name: str, path: Path, shown: Path | None = None) -> Offer:
    directory, taken = find_run(path)
    if not (directory / RUN).is_file():
        raise ValueError(f"run {directory}: expected a finished run, found no {RUN}")
    told = (shown or path) / directory.relative_to(path)
    about = f"The run {printable(told.as_posix())}{f', {taken}' if taken else ''}."
    return Offer(printable(name), about, lambda device: load(directory, device=device))


def shipped_offer() -> Offer:
    """Offer the run that comes with the package."""
    warning = (
        f"This network knows {len(ACTIONS)} drawn actions ({', '.join(ACTIONS)}) and no others: "
        "of a real video its answer is one of them all the same."
    )
    name, about = "eight drawn actions", "The run that comes with objabn."
    return Offer(name, about, lambda device: load(SHIPPED, device=device), warning)


def torchvision_offers() -> list[Offer]:
    """List the networks of torchvision whose weights lie where torch keeps downloads."""
    urls = {name: next(iter(get_model_weights(name))).url for name in NETWORKS}
    return [_model_offer(f"{KIND}:{name}", None) for name, url in urls.items() if torch_path(url).is_file()]


def _model_offer(spec: str, weights: str | None) -> Offer:
    about = "A network that was not trained here. Its map is Grad-CAM."
    warning = "Its weights are random: its answer and its maps mean nothing." if weights == RANDOM else ""
    return Offer(printable(spec), about, lambda device: load_model(spec, weights=weights, device=device), warning)


class Networks:
    """The offered networks, loaded when they are first asked for; the last `KEPT` stay loaded."""

    def __init__(self, offers: Sequence[Offer], device: str) -> None:
        self.offers = {offer.name: offer for offer in offers}
        self._device, self._loaded = device, OrderedDict[str, TrainedRun]()

    def load(self, name: str) -> TrainedRun:
        """Load an offered network.

        Raises:
            ValueError: nothing of this name is offered, or it cannot be loaded.
        """
        if name not in self.offers:
            raise ValueError(f"network: expected one that the page offers, got {name!r}")
        if name not in self._loaded:
            self._loaded[name] = self.offers[name].load(self._device)
        self._loaded.move_to_end(name)
        while len(self._loaded) > KEPT:
            self._loaded.popitem(last=False)
        return self._loaded[name]


def bring_examples(root: Path | None, folder: Path) -> dict[str, Path]:
    """Bring example videos into a folder: test videos of the embedded data, one a class, or else drawn ones.

    Returns their files by what they show.
    """
    folder.mkdir(parents=True, exist_ok=True)
    embedded = _embedded(root / "data/synthetic/videos") if root else {}
    drawn = {action: partial(_draw, action, number) for number, action in enumerate(ACTIONS)}
    copied = {label: partial(shutil.copyfile, path) for label, path in embedded.items()}
    examples = {}
    for label, bring in list((copied or drawn).items())[:EXAMPLES]:
        examples[label] = folder / f"{label}.mp4"
        bring(examples[label])
    return examples


def _embedded(videos: Path) -> dict[str, Path]:
    """The first test video of each class."""
    found: dict[str, Path] = {}
    for path in sorted(videos.glob("*/*_test_*")):
        if is_video(path.name):
            found.setdefault(path.parent.name, path)
    return found


def _draw(action: str, number: int, path: Path) -> None:
    scene = make_scene(action, seed=7, split="demo", number=number)  # no data set has this split
    write_video(path, render_video(scene)[0])
