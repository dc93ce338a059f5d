"""`objabn audit DATASET --model SPEC`: evaluate and audit a network that was not trained here, in no stage.

What a control with `network:` is in the table, at once and for one seed: the same functions on the same clips give the
same numbers. Paths within SPEC are from the checkout's root.
"""

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from objabn.config.faults import describe
from objabn.config.file import add_overrides, load_params
from objabn.config.rows import SPECS, NetworkControl
from objabn.config.schema import Dataset, GradCam, Params
from objabn.config.selection import changed

if TYPE_CHECKING:
    import pandas as pd

    from objabn.clips.dataset import ClipDataset

FILES = ("results.csv", "audit.csv", "audit.curves.csv", "audit.sanity.csv")  # of --out


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `audit` with a parser's subcommands; `args.run(args)` returns 0 or raises ValueError."""
    parser = subparsers.add_parser(
        "audit",
        description="Evaluates and audits a network that was not trained here on a data set's test videos: how right, "
        "how its maps lie on the objects, do they rank what counts, do they depend on what it has learnt, does it lean "
        "on the background. As evaluate-control and audit-control do with a block `network:` under `controls`.",
    )
    add = parser.add_argument
    add("dataset", help="a block under `datasets` in params.yaml, whose frames and masks are there")
    add(
        "--model",
        required=True,
        metavar="SPEC",
        help=f"{SPECS}, whose code is run",
    )
    add("--weights", metavar="FILE", help="or random (default: its own)")
    add(
        "--labels", type=Path, metavar="CSV", help="class,label: which of its classes is which of ours (default: names)"
    )
    add("--layer", help="of Grad-CAM and LayerCAM (default: the network's)")
    add("--frames", dest="num_frames", type=int, metavar="N", help="of a clip (default: the data set's)")
    add(
        "--stride", dest="frame_stride", type=int, metavar="N", help="between a clip's frames (default: the data set's)"
    )
    add("--size", dest="crop", type=int, metavar="PIXELS", help="of a clip's frames (default: the data set's crop)")
    add("--videos", type=int, metavar="N", help="only so many test videos, of all classes alike")
    add("--out", type=Path, metavar="DIR", help=f"write {', '.join(FILES)}, too")
    add_overrides(parser, "such as datasets.synthetic.eval.ranking_videos=0, without RISE")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print what is measured; 0.

    Raises:
        ValueError: the parameters, the network or the data set's stores are at fault, in a line.
    """
    params = load_params(overrides=args.set_param)
    control, block = control_of(args, params)
    from objabn.config.rows import PERTURBATION
    from objabn.evaluation.passes import PASSES
    from objabn.model.adopted import load_elsewhere
    from objabn.stores.table import read_table
    from objabn.system.gpus import leased_gpus

    folder = Path("data", args.dataset)
    labels = sorted(read_table(folder / "frames", ["label"])["label"].unique())
    named = {"spec": control.network, "weights": control.weights, "labels": control.labels, "layer": control.layer}
    network = load_elsewhere(named, labels, block.data.num_frames, block.data.crop)
    block = block.model_copy(update={"gradcam": GradCam(layer=network.layer)})
    splits = [*clips_of_test(folder, block, params.table.seeds[0], labels, args.videos)]
    num_videos = sum(len(clips.table) for _, clips in splits)
    ranked = num_videos if block.eval.ranking_videos is None else min(num_videos, block.eval.ranking_videos)
    passes = ranked * block.eval.views * PASSES[PERTURBATION].forward
    print(
        f"{control.network} on {num_videos} test videos of {args.dataset}: clips of {block.data.num_frames} frames, "
        f"{block.data.crop} x {block.data.crop} pixels; Grad-CAM at {network.layer}, (split) at {network.split}; "
        f"{passes:,} passes for RISE of {ranked} videos",
        flush=True,
    )
    with leased_gpus(1, block.train.accelerator):  # nothing asks CUDA before
        measured = measure(network, splits, block, params.table.seeds[0])
    print("\n".join(text_of(measured, control.network)))
    if args.out:
        write(measured, args.out)
    return 0


def control_of(args: argparse.Namespace, params: Params) -> tuple[NetworkControl, Dataset]:
    """The block that a control of this network would be, and the data set's parameters as it changes them.

    Raises:
        ValueError: there is no such data set, or there are no such clips.
    """
    if args.dataset not in params.datasets:
        raise ValueError(f"dataset: expected one of {', '.join(sorted(params.datasets))}, got {args.dataset!r}")
    if args.videos is not None and args.videos < 2:
        raise ValueError(f"--videos: expected at least 2, got {args.videos}")
    block = params.datasets[args.dataset]
    changes: dict[str, Any] = {
        f"data.{name}": value
        for name in ("num_frames", "frame_stride", "crop")
        if (value := getattr(args, name)) is not None
    }
    if args.crop is not None:  # as much of the frame as before
        for name in ("short_side_min", "short_side_max", "short_side_eval"):
            changes[f"data.{name}"] = max(round(getattr(block.data, name) * args.crop / block.data.crop), args.crop)
    values, faults = changed(block.model_dump(), changes)
    if faults:  # the sides only follow the crop
        raise ValueError("\n".join([line for line in faults if not line.startswith("data.short_side")] or faults))
    labels = None if args.labels is None else str(args.labels)
    given = {"network": args.model, "weights": args.weights, "labels": labels, "layer": args.layer, "set": changes}
    try:
        return NetworkControl.model_validate(given), Dataset.model_validate(values)
    except ValidationError as error:
        lines = [line for fault in error.errors() for line in describe(fault)]
        raise ValueError("\n".join(line.replace("network", "--model", 1) for line in lines)) from None


def clips_of_test(
    folder: Path, params: Dataset, seed: int, labels: list[str], most: int | None
) -> Iterator[tuple[str | None, "ClipDataset"]]:
    """The test clips; with folds, of each fold its own.

    Args:
        folder: with the stores `frames` and `masks`.
        most: how many videos, of all folds together; None: all.
    """
    import numpy as np

    from objabn.clips.dataset import fold_names, open_split
    from objabn.evaluation.insertion_deletion import ranked_videos

    folds = fold_names(folder / "frames") or (None,)
    share = None if most is None else max(most // len(folds), 2)

    def choose(rows: "pd.DataFrame") -> np.ndarray:
        return ranked_videos(np.array([labels.index(label) for label in rows["label"]]), share)

    for fold in folds:
        yield (
            fold,
            open_split(
                "test",
                params,
                folder / "frames",
                folder / "masks",
                seed=seed,
                fold=fold,
                evaluation=params.eval,
                truth=params.truth,
                class_names=labels,
                choose=choose if most else None,
            ),
        )


def measure(
    network: Any, splits: list[tuple[str | None, "ClipDataset"]], params: Dataset, seed: int
) -> dict[str, "pd.DataFrame"]:
    """What the stages measure of a row, tables by the names of FILES."""
    import pandas as pd

    from objabn.audits.backgrounds import accuracy_on_backgrounds
    from objabn.audits.methods import CURVE_KEYS, measure_methods
    from objabn.audits.sanity import STEP_KEYS, cascading_randomisation
    from objabn.audits.summary import of_seeds, side_by_side, summarise_audits
    from objabn.evaluation.evaluate import evaluate_run
    from objabn.evaluation.results import write_results
    from objabn.evaluation.summary import summarise

    most = params.eval.ranking_videos
    shared = {"ranking_videos": None if most is None else -(-most // len(splits))}
    each = params.model_copy(update={"eval": params.eval.model_copy(update=shared)})
    audited, curves, sanity = [], [], []

    def results() -> Iterator[pd.DataFrame]:
        for _, clips in splits:
            for table in evaluate_run(network, NetworkControl.attention, clips, each, rank=True):
                yield table.assign(seed=seed)

    with tempfile.TemporaryDirectory(prefix="objabn-audit-") as place:
        write_results(Path(place, "results.parquet"), results())
        evaluated = summarise(Path(place, "results.parquet"))
    for _, clips in splits:
        cutters = ("masks", "truth") if params.truth else ("masks",)
        found = [accuracy_on_backgrounds(network, clips, params, key=key) for key in cutters]
        methods = measure_methods(network, NetworkControl.attention, clips, each)
        audited.append(side_by_side([*found, methods.per_video]).assign(seed=seed))
        curves.append(methods.mean.assign(seed=seed))
        cascade = cascading_randomisation(network, NetworkControl.attention, clips, each)
        sanity.append(cascade.assign(seed=seed))
    numbers = summarise_audits(pd.concat(audited))
    tables = (evaluated, numbers, of_seeds(curves, CURVE_KEYS), of_seeds(sanity, STEP_KEYS))
    return dict(zip(FILES, tables, strict=True))


def text_of(measured: dict[str, "pd.DataFrame"], name: str) -> list[str]:
    """Write the tables as lines: the evaluation's numbers, what the audits add to them, and the cascade."""
    import pandas as pd

    from objabn.report.audit_methods import sanity_cells
    from objabn.report.cells import table_lines
    from objabn.report.names import MAP_NAMES

    def cells(table: pd.DataFrame) -> pd.DataFrame:
        wide: dict[str, dict[str, str]] = {}
        for letter, measure, value in zip(table["map"], table["measure"], table["value"], strict=True):
            wide.setdefault(measure, {})[MAP_NAMES.get(letter, letter)] = str(value)
        headings = [name for name in ("", *MAP_NAMES.values()) if any(name in line for line in wide.values())]
        lines = [{"measure": key, **{name: line.get(name, "") for name in headings}} for key, line in wide.items()]
        return pd.DataFrame(lines).rename(columns={"": "value"})

    results, audit, _, sanity = (measured[name] for name in FILES)
    known = set(zip(results["map"], results["measure"], results["value"], strict=True))
    new = audit[[line not in known for line in zip(audit["map"], audit["measure"], audit["value"], strict=True)]]
    return [
        "", f"# {name}", "", *table_lines(cells(results)), "", "## Audits", "", *table_lines(cells(new)), "",
        "## Likeness of maps to the trained network's, layers drawn anew from the logits on", "",
        *table_lines(sanity_cells({name: sanity})),
    ]  # fmt: skip


def write(measured: dict[str, "pd.DataFrame"], folder: Path) -> None:
    """Write the tables as the stages do."""
    from objabn.system.files import write_text

    for name, table in measured.items():
        write_text(folder / name, table.to_csv(index=False, lineterminator="\n"))
