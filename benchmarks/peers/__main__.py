"""Are our maps those of pytorch-grad-cam, and our measures those of Quantus? No timing.

python -m benchmarks.peers                      # makes an environment for each peer, compares, prints a table
python -m benchmarks.peers --write              # and writes what was agreed to tests/measures/agreed.json

Each peer computes by itself, in an environment of its own below --folder (default: peers/ in the side cache), on the
networks, clips and maps of `cases.py`; torch and what else stands beside it here is borrowed, not installed again. The
last line is a JSON object of the largest differences. Where something that should agree does not, the exit status is 1.
"""

import argparse
import json
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from benchmarks.peers.cases import CASES, TUPLES, clips, flipped, maps_and_truth, odd_maps_and_truth
from objabn.evaluation.insertion_deletion import blurred, ranks
from objabn.evaluation.posthoc import posthoc_maps
from objabn.measures import arrays as metrics
from objabn.system.cache import Cache

ROOT = Path(__file__).parents[2]
AGREED = ROOT / "tests/measures/agreed.json"
PEERS = {"grad-cam": "1.5.7", "quantus": "0.6.0"}
LETTERS = ("g", "l")  # Grad-CAM and LayerCAM
TOLERANCE = 1e-4  # of maps, as shares of a map's maximum
EXACT = 1e-6  # of measures
DIGITS = 6
SCORES = {
    "discrete_entropy": "entropy; ten bins, theirs divided by ln 2",
    "PointingGame": "pointing; maps with one highest cell",
    "RelevanceMassAccuracy": "energy_inside",
    "AttributionLocalisation": "energy_inside",
    "PixelFlipping": "insertion_deletion, deletion; our order and our blurred clip",
}


class Row(NamedTuple):
    """A comparison: the largest difference, or None where there is none to make."""

    what: str  # of maps "network|layer|letter"; of measures theirs
    difference: float | None
    tolerance: float
    remark: str

    @property
    def is_right(self) -> bool:
        return self.difference is None or self.difference <= self.tolerance

    def shown(self) -> str:
        return "-" if self.difference is None else f"{self.difference:.1e}{'' if self.is_right else ' TOO MUCH'}"


def environment(folder: Path, package: str, version: str) -> Path:
    """Make a peer's environment, or take the one that is there; its interpreter. Packages from here can be imported."""
    place = folder / package
    python, asks = place / "bin/python", f"import importlib.metadata as m; print(m.version('{package}'))"
    if python.exists():
        done = subprocess.run([python, "-c", asks], capture_output=True, text=True)
        if done.stdout.strip() == version:
            return python
    print(f"{place}: installs {package} {version}", flush=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", place], check=True)
    (site,) = place.glob("lib/python*/site-packages")
    (site / "borrowed.pth").write_text("".join(f"{sysconfig.get_path(kind)}\n" for kind in ("purelib", "platlib")))
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", f"{package}=={version}"]
    subprocess.run(pip, check=True)
    return python


def ask(python: Path, module: str, given: Path, said: Path) -> dict[str, np.ndarray]:
    """Let a peer compute."""
    subprocess.run([python, "-m", f"benchmarks.peers.{module}", given, said], cwd=ROOT, check=True)
    with np.load(said) as content:
        return dict(content)


def our_maps(names: Iterable[str]) -> tuple[dict[str, np.ndarray], dict[str, list[int]]]:
    """Our maps (B, T, h', w') by case, layer and letter, divided by each clip's maximum; the classes they explain."""
    maps, classes = {}, {}
    for name in names:
        case = CASES[name]
        network = case.build()
        values = clips(network.num_frames, network.size)
        with torch.no_grad():
            classes[name] = network(values).perception_logits.argmax(dim=1).tolist()
        for layer in case.layers:
            found = posthoc_maps(network, values, layer, classes=torch.tensor(classes[name]))
            for letter in LETTERS:
                own = found.native.get(letter, found.maps[letter])
                maps[f"{name}|{layer}|{letter}"] = own[:, 0].numpy()
        print(f"{name}: our maps are there", file=sys.stderr, flush=True)
    return maps, classes


def scaled(sums: np.ndarray, num_frames: int) -> np.ndarray:
    """Their weighted sums (B, T', h', w') as ours are: divided by the maximum over the clip, for each frame."""
    highest = sums.max(axis=(1, 2, 3), keepdims=True)
    return metrics.frame_maps(sums / np.where(highest > 0, highest, 1), num_frames)


def compare_maps(folder: Path, names: Iterable[str]) -> tuple[list[Row], dict[str, Any]]:
    """Compare all maps with pytorch-grad-cam's; rows, and those values of theirs that the tests take."""
    ours, classes = our_maps(names)
    (given := folder / "classes.json").write_text(json.dumps(classes))
    python = environment(folder, "grad-cam", PEERS["grad-cam"])
    theirs = ask(python, "their_cams", given, folder / "cams.npz")
    rows, kept = [], {}
    for key, own in ours.items():
        name, layer, _ = key.split("|")
        said = theirs[key]
        if said.dtype.kind == "U":
            rows.append(Row(key, None if (name, layer) in TUPLES else np.inf, TOLERANCE, f"{said}: a tuple comes out"))
            continue
        expected = scaled(said, own.shape[1])
        lit = bool((expected > 0).any(axis=(1, 2, 3)).all())  # where all maps are 0 nothing is compared
        difference = float(np.abs(own - expected).max()) if lit else np.inf
        rows.append(Row(key, difference, TOLERANCE, " x ".join(map(str, said.shape[1:]))))
        if layer in CASES[name].tested:
            kept[key] = expected[:, :: own.shape[1] // said.shape[1]].round(DIGITS).tolist()
    return rows, {"classes": {name: classes[name] for name in classes if CASES[name].tested}, **kept}


def compare_scores(folder: Path) -> tuple[list[Row], dict[str, Any]]:
    """Compare measures with Quantus's; rows, and their values for the tests."""
    values, maps, classes = flipped()
    order = ranks(torch.from_numpy(maps).flatten(2)).unflatten(2, maps.shape[2:])  # (B, T, h, w)
    scale = values.shape[-1] // maps.shape[-1]
    pixels = order.repeat_interleave(scale, dim=2).repeat_interleave(scale, dim=3)[:, None].expand_as(values)
    images, away, order_of_pixels = (
        each.flatten(1, 3)[:, None].numpy() for each in (values, blurred(values), pixels.float())
    )
    steps, size = maps[0, 0].size, values[0].numel()
    given = {"images": images, "away": away, "order": order_of_pixels, "classes": classes, "step": size // steps}
    np.savez(given_at := folder / "flipped.npz", num_frames=values.shape[2], **given)
    python = environment(folder, "quantus", PEERS["quantus"])
    theirs = ask(python, "their_scores", given_at, folder / "scores.npz")
    theirs["discrete_entropy"] /= np.log(2)
    theirs["odd discrete_entropy"] /= np.log(2)

    maps_of_frames, masks = maps_and_truth()
    network = CASES["two convolutions"].build()

    def probability(seen: torch.Tensor) -> torch.Tensor:
        return network(seen).perception_logits.softmax(dim=1)[torch.arange(len(seen)), torch.from_numpy(classes)]

    curves = metrics.insertion_deletion(values, maps, probability, shares=np.arange(steps + 1) / steps)
    own = {
        "discrete_entropy": metrics.entropy(maps_of_frames),
        "PointingGame": metrics.pointing(maps_of_frames, masks),
        "RelevanceMassAccuracy": metrics.energy_inside(maps_of_frames, masks),
        "AttributionLocalisation": metrics.energy_inside(maps_of_frames, masks),
        "PixelFlipping": curves.deletion[:, 1:],
    }
    rows = [Row(name, float(np.abs(theirs[name] - own[name]).max()), EXACT, remark) for name, remark in SCORES.items()]
    print_odd(theirs)
    return rows, {name: np.round(theirs[name], DIGITS + 2).tolist() for name in SCORES}


def print_odd(theirs: dict[str, np.ndarray]) -> None:
    """Print where the definitions differ, theirs beside ours."""
    odd = odd_maps_and_truth()
    own = {
        "PointingGame / pointing": [metrics.pointing(*each) for each in odd.values()],
        "RelevanceMassAccuracy / energy_inside": [metrics.energy_inside(*each) for each in odd.values()],
        "discrete_entropy / entropy": [metrics.entropy(one) for one, _ in odd.values()],
    }
    print("\nWhere the definitions differ, Quantus / ours (nan: none; inf: it stops)\n")
    print(f"| | {' | '.join(odd)} |")
    print(f"|---|{'---|' * len(odd)}")
    for name, values in own.items():
        theirs_of = theirs[f"odd {name.partition(' ')[0]}"]
        cells = [f"{their:.3g} / {our:.3g}" for their, our in zip(theirs_of, values, strict=True)]
        print(f"| {name} | {' | '.join(cells)} |")
    bits = metrics.entropy(maps_and_truth()[0])
    both = ", ".join(f"{their:.2f} / {our:.2f}" for their, our in zip(theirs["Complexity"], bits, strict=True))
    print(f"\nComplexity (nats, of a map's shares of its sum) / entropy (bits, of the paper's bins), by map: {both}")


def print_rows(of_maps: list[Row], of_scores: list[Row]) -> None:
    """Print the largest differences: of maps as shares of a clip's maximum."""
    print("\n| network | layer | T' x h' x w' | Grad-CAM | LayerCAM |\n|---|---|---|---|---|")
    for one, other in zip(of_maps[::2], of_maps[1::2], strict=True):
        name, layer, _ = one.what.split("|")
        print(f"| {name} | {layer} | {one.remark} | {one.shown()} | {other.shown()} |")
    found = [row.difference for row in of_maps if row.difference is not None]
    networks, layers = ({row.what.split("|")[0] for row in of_maps}, len(found) // 2)
    print(f"\n{layers} layers of {len(networks)} networks: at most {max(found):.1e} of a clip's maximum apart")
    print("\n| Quantus | ours | largest difference |\n|---|---|---|")
    for row in of_scores:
        print(f"| {row.what} | {row.remark} | {row.shown()} |")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="of the environments (default: peers/ in the side cache)")
    parser.add_argument("--write", action="store_true", help=f"write {AGREED.relative_to(ROOT)}")
    parser.add_argument("--only", metavar="TEXT", help="networks whose names hold it (default: all)")
    args = parser.parse_args()
    names = [name for name in CASES if (args.only or "") in name]
    if args.write and len(names) < len(CASES):
        parser.error("--write takes all networks: leave out --only")
    torch.set_num_threads(1)
    folder = (args.folder or Cache().root / "peers").absolute()
    folder.mkdir(parents=True, exist_ok=True)
    of_maps, maps = compare_maps(folder, names)
    of_scores, scores = compare_scores(folder)
    rows = of_maps + of_scores
    print_rows(of_maps, of_scores)
    is_right = all(row.is_right for row in rows)
    if args.write and is_right:
        parts = {"peers": PEERS, **maps, **scores}
        lines = [f"{json.dumps(name)}: {json.dumps(values)}" for name, values in parts.items()]
        AGREED.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    print(json.dumps({row.what: row.difference for row in rows if row.difference is not None}))
    return 0 if is_right else 1


if __name__ == "__main__":
    sys.exit(main())
