"""Networks that were not trained here, as rows: run.json says which one it is, and by that it is loaded again.

Nothing that a training depends on may import `objabn.networks`: an edit of an adapter would train all rows again. So it
is imported by name, here and in `model.run` alone.
"""

import json
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from objabn.config.rows import NETWORK, NetworkControl
from objabn.config.schema import Dataset
from objabn.model.interface import VideoNetwork
from objabn.model.run import RUN, WEIGHTS, stages_of, versions
from objabn.stores.splits import folds
from objabn.system.files import replace_dir


def load_elsewhere(named: Mapping[str, Any], class_names: Sequence[str], num_frames: int, size: int) -> Any:
    """Load a network that was not trained here, in evaluation mode.

    It is a `networks.labels.Labelled`.

    Args:
        named: `spec`, `weights`, `labels` and `layer`, as `NetworkControl` has them.
        class_names: our labels.
        num_frames, size: of our clips.

    Raises:
        ValueError: it cannot be loaded, takes other clips, or does not know our labels.
    """
    load_network = import_module("objabn.networks.choice").load_network
    with_labels = import_module("objabn.networks.labels").with_labels
    given = {"weights": named["weights"], "layer": named["layer"], "num_frames": num_frames, "size": size}
    return with_labels(load_network(named["spec"], **given), named["labels"], class_names)


def adopt(control: NetworkControl, params: Dataset, frames: Path, directory: Path, *, name: str, seed: int) -> None:
    """Write the run of a row that is not trained here.

    That is run.json alone, of each fold its own.

    Args:
        params: of the data set, as they are for this row.
        frames: the frame store, which knows the labels and folds.
        directory: the run's.
        name: of the control.

    Raises:
        ValueError: as `load_elsewhere`; the line begins with the control.
    """
    from objabn.stores.table import read_table

    videos = read_table(frames, ["label", "split"])
    class_names = sorted(videos["label"].unique())
    named = {"spec": control.network, "weights": control.weights, "labels": control.labels, "layer": control.layer}
    try:
        network = load_elsewhere(named, class_names, params.data.num_frames, params.data.crop)
    except ValueError as error:
        raise ValueError(f"controls.{name}: {error}") from error
    chosen = {"layer": network.layer, "split": network.split, "digests": network.digests}
    row = {"attention": control.attention, "pc": control.pc, "seed": seed, "control": name, "masks": control.masks}
    with replace_dir(directory) as partial:
        for fold in folds(videos["split"]) or (None,):
            record = {
                **row,
                "labels": "own",
                "fold": fold,
                "class_names": list(class_names),
                "params": params.model_dump(),
                "versions": versions(control.network),
                NETWORK: {**named, **chosen},
            }
            place = partial / fold if fold else partial
            place.mkdir(exist_ok=True)
            (place / RUN).write_text(json.dumps(record, indent=2) + "\n")


def adopted_record(directory: Path) -> dict[str, Any] | None:
    """Read run.json of a network that was not trained here.

    Returns None where there is none, or that of a training.
    """
    if (directory / WEIGHTS).exists() or not (directory / RUN).is_file():
        return None
    try:
        record = json.loads((directory / RUN).read_text())
    except ValueError:
        return None
    return record if NETWORK in record else None


def load_adopted(directory: Path, record: Mapping[str, Any], params: Dataset) -> VideoNetwork:
    """Load the network of such a run again.

    Args:
        record: its run.json; params: the data set's parameters in it.

    Raises:
        ValueError: it cannot be loaded, or is not what it was when the row was made.
    """
    named = record[NETWORK]
    before = named["digests"]
    files = import_module("objabn.networks.own").digests_of_files(named["spec"], before)  # before any of them runs
    _check_same(directory, named["spec"], {key: before[key] for key in files}, files)
    try:
        network = load_elsewhere(named, record["class_names"], params.data.num_frames, params.data.crop)
    except ValueError as error:
        raise ValueError(f"{directory}: {error}") from error
    _check_same(directory, named["spec"], before, network.digests)
    return network


def _check_same(directory: Path, spec: str, before: Mapping[str, str], now: Mapping[str, str]) -> None:
    if others := sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key)):
        expected = f"expected {spec} as it was when the row was made, got another {', '.join(others)}"
        raise ValueError(f"{directory}: {expected}; make the row again: `dvc repro -f -s {stages_of(directory)}`")
