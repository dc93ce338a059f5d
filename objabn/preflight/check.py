"""Look for all that the pipeline needs before its first stage decodes anything.

    findings = check_needs("ucf101", params)          # one line each, in the order of the stages
    stop_unless_ready("ucf101", params, "decode")     # what the first stages call

Nothing here changes a result, so no stage depends on this package.
"""

import os
from typing import TYPE_CHECKING

from objabn.config.schema import Dataset, Params
from objabn.config.selection import trained_table
from objabn.plan.costs import Counts
from objabn.preflight.backbone import backbone_downloads, backbone_findings
from objabn.preflight.data import groups_findings, read, true_masks_findings, truth_findings, videos_findings
from objabn.preflight.device import device_findings, find_devices
from objabn.preflight.findings import Finding, settle, warning
from objabn.preflight.networks import network_findings
from objabn.preflight.rows import stages_done, table_rows
from objabn.preflight.segmenter import segmenter_downloads, segmenter_findings
from objabn.preflight.side_by_side import num_cores, num_gpus, side_by_side
from objabn.preflight.space import disk_findings, memory_findings
from objabn.preflight.trackers import tracker_findings
from objabn.preflight.weights import download_findings

if TYPE_CHECKING:
    import pandas as pd

VARIABLE, OFF = "OBJABN_CHECK", "off"


def check_needs(name: str, params: Params, *, running: str | None = None) -> list[Finding]:
    """List what a data set's pipeline needs, a line each, in the order of the stages.

    What only a stage needs that is done is no fault. Nothing is downloaded, decoded or written.

    Args:
        running: the stage that asks; what it has done before does not count.
    """
    dataset = params.datasets[name]
    every, done = table_rows(name, params), stages_done(name, params, running=running)
    rows = [row for row in every if row.network is None]  # that are trained
    present = find_devices()
    at_a_time = side_by_side(rows, num_cores(), num_gpus(present)).number
    index, found = None, list[Finding]()
    if dataset.synthesize is None:  # else it makes both itself
        index, found = read(name, dataset.videos)
        found += videos_findings(name, dataset, index) + truth_findings(name, dataset, index) + groups_findings(name)
        found += true_masks_findings(name, params)
    if counts := _counts(name, dataset, index, may_open=running is None):
        found += disk_findings(dataset, trained_table(params), counts, done, at_a_time)
    elif running is None:
        found.append(warning("decode", "disk: what is needed can be told when the index and its videos are there"))
    found += segmenter_findings(name, dataset, index, done.get("decode"))
    found += download_findings([*segmenter_downloads(name, dataset), *backbone_downloads(rows)])
    found += backbone_findings(rows)
    found += network_findings(every, None if index is None else sorted(index["label"].unique()))
    found += memory_findings(name, rows, at_a_time) + tracker_findings(name, dataset)
    train_videos, networks = _training(counts, index)
    found += device_findings(rows, train_videos, present, networks)
    return settle(found, done)


def _training(counts: Counts | None, index: "pd.DataFrame | None") -> tuple[int, int]:
    """Count the videos that a training learns from, 0 where that is not known, and its networks."""
    from objabn.plan.counts import splits_of

    if index is not None:
        splits = splits_of(index)
        return splits["train"], splits.get("networks", 1)
    return (counts.train, counts.networks) if counts else (0, 1)


def stop_unless_ready(name: str, params: Params, stage: str) -> None:
    """Let a first stage go on only if the later ones have what they need.

    Prints warnings.

    Raises:
        ValueError: something is missing, a line each, and how to go on regardless.
    """
    if is_off():
        return
    found = check_needs(name, params, running=stage)
    for each in found:
        if each.level == "warning":
            print(f"warning: {each.line}", flush=True)
    if faults := [each.line for each in found if each.level == "fault"]:
        last = f"nothing was done; to go on regardless (say, on a machine that decodes only) set {VARIABLE}={OFF}"
        raise ValueError("\n".join(["later stages would fail:", *(f"params.yaml: {line}" for line in faults), last]))


def is_off() -> bool:
    """Tell whether the environment asks to go on whatever is missing."""
    return os.environ.get(VARIABLE) == OFF


def _counts(name: str, dataset: Dataset, index: "pd.DataFrame | None", *, may_open: bool) -> Counts | None:
    """Count videos and frames as `plan` does, or None where it cannot.

    Args:
        may_open: whether the headers of videos may be read, which a stage does in processes of their own: a video may
            kill the process that opens it. Without them the frames are known of published data sets alone.
    """
    from objabn.plan.counts import PUBLISHED, count, splits_of

    if may_open or dataset.synthesize is not None:
        try:
            return count(name, dataset)[0]
        except ValueError:
            return None
    if index is None or name not in PUBLISHED:
        return None
    published = PUBLISHED[name]
    frames = round(published.frames * len(index) / published.videos / dataset.decode.stride)
    return Counts(**splits_of(index), frames=frames, classes=index["label"].nunique(), origin=published.origin)
