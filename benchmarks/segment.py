"""Our segmentation against the loops that people write, same weights, same frames, same run; and what size and
proposals cost and bring.

python -m benchmarks.segment                # the embedded data's small Mask R-CNN: speed, and IoU with the truth
python -m benchmarks.segment --r50          # R50-FPN at short edge 800 with random weights: speed only
python -m benchmarks.segment --processes    # the stage's work on the CPU: a process of two threads against two of one
python -m benchmarks.segment --planes       # score planes of 5 to 100 instances a frame: on the host, on the device

Rows: torchvision's loop, one frame at a time with its own paste; the bare forward pass on frames that lie on the device
as tensors, nothing read, pasted or packed; ours. With detectron2 installed, --r50 adds its DefaultPredictor's loop, one
frame at a time, and our backend of that name.
"""

import argparse
import importlib.util
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torchvision.models import detection

from benchmarks.checkpoints import write_detectron2
from objabn.config.file import load_params
from objabn.segmentation import local_engine
from objabn.segmentation.segment import make_compute
from objabn.segmentation.segmenters.choice import build
from objabn.segmentation.segmenters.detectron2 import MODEL
from objabn.segmentation.segmenters.figures_rcnn import figures_rcnn
from objabn.segmentation.segmenters.instances import Instances, planes_of
from objabn.segmentation.segmenters.rcnn import by_frame
from objabn.segmentation.units import KIND, Unit, unpack
from objabn.stores.array import StoreWriter
from objabn.stores.masks import GRID, mask_iou, union_mask
from objabn.synthetic.scenes import ACTIONS, make_scene, render_frame
from objabn.synthetic.synthesize import on_grid
from objabn.system.cache import Cache

FIGURES = Path(__file__).parents[1] / "objabn/assets/figures_rcnn.pth"
SCORE = 0.5
SHORT_EDGES, PROPOSALS = (96, 128, 160, 192, 256), (5, 30, 200)
Loop = Callable[[np.ndarray], Any]


def embedded_frames(number: int) -> tuple[np.ndarray, np.ndarray]:
    """Frames uint8 (N, 120, 160, 3) of the eight actions and their persons on the grid, bool (N, 128, 128)."""
    scenes = [make_scene(ACTIONS[at % len(ACTIONS)], seed=11, split="benchmark", number=at) for at in range(number)]
    frames, persons, _ = zip(*(render_frame(scene, 8 + at % 16) for at, scene in enumerate(scenes)), strict=True)
    return np.stack(frames), on_grid(np.stack(persons))


def union(found: list[Instances]) -> np.ndarray:
    return union_mask(np.stack([planes_of(each) for each in found]), SCORE)


def torchvision_loop(network: detection.MaskRCNN) -> Loop:
    """As torchvision's own examples: a frame in, masks of the frame's size out; bool (N, GRID, GRID) for the score."""

    @torch.inference_mode()
    def run(frames: np.ndarray) -> np.ndarray:
        unions = []
        for frame in frames:
            image = torch.from_numpy(frame).permute(2, 0, 1).float() / 255
            found = network([image.to(next(network.parameters()).device)])[0]
            mask = (found["masks"][found["scores"] >= SCORE, 0] >= 0.5).any(dim=0).cpu().numpy()
            unions.append(cv2.resize(mask.astype(np.float32), (GRID, GRID), interpolation=cv2.INTER_AREA) >= 0.5)
        return np.stack(unions)

    return run


def bare_forward(network: detection.MaskRCNN, batch_size: int) -> Loop:
    """The network's own steps up to the 28 x 28 masks, on frames that are tensors on the device already."""
    resident: dict[int, list[torch.Tensor]] = {}

    @torch.inference_mode()
    def run(frames: np.ndarray) -> None:
        device = next(network.parameters()).device
        if id(frames) not in resident:
            resident[id(frames)] = list(torch.from_numpy(frames).to(device).permute(0, 3, 1, 2).float() / 255)
        images = resident[id(frames)]
        for start in range(0, len(images), batch_size):
            batch, _ = network.transform(images[start : start + batch_size])
            features = network.backbone(batch.tensors)
            regions, _ = network.rpn(batch, features)
            network.roi_heads(features, regions, batch.image_sizes)

    return run


def default_predictor_loop(weights: Path, short_edge: int, score_floor: float = 0.05) -> Loop:
    """detectron2's demo: DefaultPredictor, one frame at a time, its own paste."""
    from detectron2 import model_zoo
    from detectron2.engine import DefaultPredictor

    config = model_zoo.get_config(MODEL)
    config.MODEL.WEIGHTS, config.INPUT.MIN_SIZE_TEST = str(weights), short_edge
    config.MODEL.ROI_HEADS.SCORE_THRESH_TEST = score_floor
    config.MODEL.DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
    predictor = DefaultPredictor(config)
    return lambda frames: [predictor(frame[..., ::-1])["instances"].pred_masks.cpu().numpy() for frame in frames]


def measure(loops: dict[str, Loop], frames: np.ndarray, repeats: int) -> dict[str, float]:
    """Milliseconds a frame: the loops take turns, the median of their repeats counts, the first round does not."""
    taken: dict[str, list[float]] = {name: [] for name in loops}
    for repeat in range(repeats + 1):
        for name, loop in loops.items():
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            began = time.perf_counter()
            loop(frames)
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            if repeat:
                taken[name].append(1e3 * (time.perf_counter() - began) / len(frames))
    return {name: statistics.median(values) for name, values in taken.items()}


def figures_loops(batch_size: int) -> dict[str, Loop]:
    network = figures_rcnn().to(memory_format=torch.channels_last)
    network.load_state_dict(torch.load(FIGURES, weights_only=True))
    network.to("cuda" if torch.cuda.is_available() else "cpu").eval()
    return {
        "torchvision loop": torchvision_loop(network),
        "bare forward": bare_forward(network, batch_size),
        "ours": ours(batch_size=batch_size),
    }


def ours(*, short_edge: int = 192, proposals: int = 30, batch_size: int = 16) -> Loop:
    settings = {"short_edge": short_edge, "proposals": proposals, "batch_size": batch_size, "score_floor": 0.05}
    segment = build("torchvision", weights=str(FIGURES), model="figures", **settings)
    return lambda frames: segment(frames, "")


def r50_loops(folder: Path, batch_size: int, short_edge: int) -> dict[str, Loop]:
    torch.manual_seed(0)
    network = detection.maskrcnn_resnet50_fpn_v2(weights=None, weights_backbone=None, min_size=short_edge)
    torch.save(network.state_dict(), folder / "r50.pth")
    settings: dict[str, Any] = {"short_edge": short_edge, "proposals": 1000, "batch_size": batch_size}
    own = build("torchvision", weights=str(folder / "r50.pth"), model="maskrcnn_resnet50_fpn_v2", **settings)
    network.to("cuda" if torch.cuda.is_available() else "cpu").eval()
    loops: dict[str, Loop] = {
        "torchvision loop": torchvision_loop(network),
        "bare forward": bare_forward(network, batch_size),
        "ours": lambda frames: own(frames, ""),
    }
    if importlib.util.find_spec("detectron2") is None:
        return loops
    write_detectron2(folder / "d2.pth")
    other = build("detectron2", weights=str(folder / "d2.pth"), **settings)
    loops["DefaultPredictor loop"] = default_predictor_loop(folder / "d2.pth", short_edge)
    loops["ours, detectron2"] = lambda frames: other(frames, "")
    return loops


def compare_processes(videos: int, frames: int, repeats: int) -> None:
    """Print what a frame takes on the CPU from store to side cache: one process of two threads, two of one.

    From the first finished videos on, so without the start of processes, which is printed beside it.
    """
    dataset = load_params(FIGURES.parents[2] / "params.yaml").datasets["synthetic"]
    dataset = dataset.model_copy(update={"segment": dataset.segment.model_copy(update={"weights": str(FIGURES)})})
    taken: dict[str, list[float]] = {}
    planes: dict[str, list[np.ndarray]] = {}
    with tempfile.TemporaryDirectory() as folder:
        writer = StoreWriter(Path(folder), (120, 160, 3), frames_per_shard=1024)
        for number in range(videos):
            scene = make_scene(ACTIONS[number % len(ACTIONS)], seed=11, split="benchmark", number=number)
            clip = np.stack([render_frame(scene, at % 24)[0] for at in range(frames)])
            writer.append(clip, video=f"v{number}", digest=f"{number:032x}", label="a", split="test")
        writer.close()
        os.environ["OBJABN_CACHE"] = f"{folder}/cache"  # of processes that are started from here on
        for repeat in range(repeats + 1):  # the first round does not count
            for name, threads, workers in (("1 process of 2 threads", 2, 1), ("2 processes of 1 thread", 1, 2)):
                torch.set_num_threads(threads)
                units = [Unit(f"v{number}", f"{number:030x}{repeat}{workers}", frames) for number in range(videos)]
                began = time.time()
                local_engine.fill(units, partial(make_compute, Path(folder), dataset), workers=workers)
                ended = sorted(Cache().path(KIND, unit.name).stat().st_mtime for unit in units)[workers - 1 :]
                each = 1e3 * (ended[-1] - ended[0]) / (len(ended) - 1) / frames
                print(f"{name:<24} {each:6.2f} ms a frame, first video after {ended[0] - began:5.1f} s", flush=True)
                if repeat:
                    taken.setdefault(name, []).append(each)
                planes[name] = [unpack(Cache().load(KIND, unit.name))["planes"] for unit in units]
    ratios = [one / two for one, two in zip(*taken.values(), strict=True)]
    differ = np.mean([(one != two).mean() for one, two in zip(*planes.values(), strict=True)])
    print(f"median {', '.join(f'{name}: {statistics.median(each):.2f}' for name, each in taken.items())} ms a frame")
    print(f"cells of the score planes that differ: {differ:.2e}")
    result = {"two_processes_ratio": round(statistics.median(ratios), 3), "ratios": [round(each, 3) for each in ratios]}
    print(json.dumps(result))


def compare_planes(repeats: int) -> None:
    """Print milliseconds a frame for score planes, from masks on the host and on the device, the transfer included."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    names, made = np.array(["person", "dog"]), torch.Generator().manual_seed(0)
    print(f"score planes on the host, and drawn on {device.type}, ms a frame, a batch of 16 frames")
    for number in (5, 20, 50, 100):
        n = 16 * number
        masks, boxes = torch.rand(n, 28, 28, generator=made), torch.rand(n, 2, generator=made)
        labels, scores = torch.randint(0, 2, (n,), generator=made), torch.rand(n, generator=made)
        inputs = [each.to(device) for each in (masks, torch.cat([boxes / 2, boxes / 2 + 0.5], 1), scores, labels)]

        def draw(draws: bool, inputs: list[torch.Tensor] = inputs, number: int = number) -> None:
            for each in by_frame(*inputs, names, [number] * 16, draws=draws):
                planes_of(each)

        loops = {"host": lambda _: draw(False), "device": lambda _: draw(True)}
        result = measure(loops, np.zeros(16), repeats)
        print(f"{number:>4} instances: host {result['host']:.3f}, {device.type} {result['device']:.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--r50", action="store_true", help="R50-FPN with random weights instead of the small network")
    parser.add_argument("--processes", action="store_true", help="processes of the CPU instead")
    parser.add_argument("--planes", action="store_true", help="score planes instead")
    parser.add_argument("--videos", type=int, default=48, help="of --processes (default: 48)")
    parser.add_argument("--frames", type=int, help="(default: 64, with --r50 4)")
    parser.add_argument("--repeats", type=int, default=5, help="of which the median counts (default: 5)")
    parser.add_argument("--batch-size", type=int, help="(default: 16, with --r50 1)")
    parser.add_argument("--short-edge", type=int, default=800, help="of --r50 (default: 800)")
    args = parser.parse_args()
    if args.processes:
        compare_processes(args.videos, args.frames or 36, args.repeats)
    elif args.planes:
        compare_planes(args.repeats)
    else:
        compare_loops(args)


def compare_loops(args: argparse.Namespace) -> None:
    """Print the speed of all loops, and their IoU with the truth."""
    frames, persons = embedded_frames(args.frames or (4 if args.r50 else 64))
    with tempfile.TemporaryDirectory() as folder:
        if args.r50:
            loops = r50_loops(Path(folder), args.batch_size or 1, args.short_edge)
        else:
            loops = figures_loops(args.batch_size or 16)
        result = measure(loops, frames, args.repeats)
        ious = {} if args.r50 else {name: iou(loops[name](frames), persons) for name in ("torchvision loop", "ours")}
    print(f"{len(frames)} frames of 120 x 160, {torch.get_num_threads()} threads\n")
    print(f"{'loop':<24} {'ms/frame':>9} {'x ours':>7} {'IoU truth':>10}")
    ratios: dict[str, Any] = {}  # above 1: ours is quicker, of the same library's network
    for name, value in result.items():
        base = "ours, detectron2" if name in ("DefaultPredictor loop", "ours, detectron2") else "ours"
        print(f"{name:<24} {value:>9.2f} {value / result[base]:>7.2f} {ious.get(name, float('nan')):>10.3f}")
        if name != base:
            ratios[f"{name}_ratio"] = round(value / result[base], 3)
    if not args.r50:
        ratios["curve"] = curve(frames, persons, args.repeats)
    print(json.dumps(ratios))


def iou(found: Any, persons: np.ndarray) -> float:
    """Mean IoU of the unions with the truth, over the frames where not both are empty."""
    return float(np.nanmean(mask_iou(found if isinstance(found, np.ndarray) else union(found), persons)))


def curve(frames: np.ndarray, persons: np.ndarray, repeats: int) -> list[dict[str, float]]:
    """Speed and IoU over input size and proposals, printed as a table too."""
    rows = []
    print(f"\n{'short edge':>10} {'proposals':>10} {'ms/frame':>9} {'IoU truth':>10}")
    for short_edge in SHORT_EDGES:
        loops = {str(number): ours(short_edge=short_edge, proposals=number) for number in PROPOSALS}
        for (name, value), loop in zip(measure(loops, frames, repeats).items(), loops.values(), strict=True):
            found = iou(loop(frames), persons)
            print(f"{short_edge:>10} {name:>10} {value:>9.2f} {found:>10.3f}")
            row = {"short_edge": short_edge, "proposals": int(name), "ms": round(value, 2), "iou": round(found, 4)}
            rows.append(row)
    return rows


if __name__ == "__main__":
    main()
