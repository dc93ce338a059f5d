"""Trackers of a training: are their packages there?"""

from objabn.config.schema import Dataset
from objabn.preflight.findings import Finding, fault, ok
from objabn.training.recorders import INSTALL, missing_packages


def tracker_findings(name: str, dataset: Dataset) -> list[Finding]:
    """Look for the packages of the trackers that a data set asks for."""
    asked, key = dataset.machine.trackers, f"datasets.{name}.machine.trackers"
    if missing := missing_packages(asked):
        lacks = f"expected {' and '.join(missing)} to be installed, found no such package"
        return [fault("train", f"{key}: {lacks}; {INSTALL}, or set it to []")]
    return [ok("train", f"{key}: {' and '.join(asked)}")] if asked else []
