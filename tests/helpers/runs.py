"""A checkout as `python -m objabn explain` finds it: a data set of small videos with its stores, and untrained runs."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn

from objabn.config.schema import Dataset
from objabn.decoding.decode import decode_videos
from objabn.index.table import build
from objabn.model.run import Run, build_model, run_record, save_run
from objabn.stores.array import StoreWriter
from objabn.video.write import write_video
from tests.helpers.videos import moving_bar

CLASSES = ["jump", "sit $5", "walk", "wave", "run", "clap"]
T, STRIDE, SPAN = 4, 2, 7  # frames of a clip, every second; frames that it spans
CROP, STORED = 32, (32, 40)  # pixels; (height, width) of the frame store
VIDEOS = {"jump/exact": SPAN, "jump/long": 30, "walk/short": 4}  # of the data set, and how many frames


def parameters(synthetic: Dataset) -> Dataset:
    """Parameters of a small network and small clips."""
    decode = {"height": STORED[0], "width": STORED[1], "frames_per_shard": 64}
    data = {"num_frames": T, "frame_stride": STRIDE, "crop": CROP, "short_side_min": CROP, "short_side_max": 36,
            "short_side_eval": 36, "pad": "last"}  # fmt: skip
    model = {"pretrained": None, "frozen": None, "attention_depth": 1, "attention_channels": 8}
    blocks = {"decode": decode, "data": data, "model": model, "train": {"accelerator": "cpu"},
              "machine": {"decode_workers": 1, "loader_workers": 0}}  # fmt: skip
    values = synthetic.model_dump()
    for name, block in blocks.items():
        values[name] |= block
    return Dataset.model_validate({**values, "videos": "data/ds/videos", "truth": None})


def write_run(directory: Path, params: Dataset, attention: str = "mha", pc: bool = True, seed: int = 0) -> Path:
    """A run of a network whose answers differ from clip to clip."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    run = Run(params, attention, pc, seed)
    model = build_model(run, len(CLASSES))
    nn.init.normal_(model.perception_branch[-1].proj.weight, 0, 2)
    if model.attention_branch is not None:
        nn.init.normal_(model.attention_branch.map_head[0].weight, 0, 0.5)
    directory.mkdir(parents=True)
    save_run(directory, model, run_record(run, CLASSES, []))
    return directory


def write_checkout(root: Path, params: Dataset) -> None:
    """`data/ds` with videos of 48 x 64 pixels, `frames` and `masks`: a square that moves to the right with the bar."""
    folder = root / "data/ds"
    for name, num_frames in VIDEOS.items():
        write_video(folder / "videos" / f"{name}.mp4", moving_bar(num_frames))
    listed = [{"video": name, "path": f"{name}.mp4", "label": name.split("/")[0], "split": "test"} for name in VIDEOS]
    index = build(pd.DataFrame(listed), folder / "videos")[0]
    decode_videos(index, folder / "videos", folder / "frames", params.decode, workers=1)
    (folder / "masks").mkdir()
    writer = StoreWriter(folder / "masks", (2, 128, 128), frames_per_shard=64)
    for name, num_frames in VIDEOS.items():
        planes = np.zeros((num_frames, 2, 128, 128), np.uint8)
        for number in range(num_frames):
            planes[number, 0, 32:96, 20 + 2 * number : 60 + 2 * number] = 200
            planes[number, 1, :10] = 255  # another group, which the mask is not drawn from
        writer.append(planes, video=name)
    writer.close()
