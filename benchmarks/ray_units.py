"""What a unit costs Ray's driver: units that do nothing, on two actors, few and many of them.

python -m benchmarks.ray_units                # 1,000 and 10,000 units: the slope between them, in ms a unit
python -m benchmarks.ray_units --units 200 1000

Ray's start, and that of its actors, are in both; the slope leaves them out. The frame rate that no number of GPUs gets
beyond is that of videos of 43 frames (UCF101's and SSv2's mean).
"""

import argparse
import json
import time

from objabn.segmentation.ray_engine import fill
from objabn.segmentation.segment import Compute
from objabn.segmentation.units import Unit

FRAMES = 43


def make_nothing(*, overlap: bool) -> Compute:
    return iter


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--units", type=int, nargs=2, default=[1000, 10000], help="few and many")
    parser.add_argument("--workers", type=int, default=2, help="actors")
    args = parser.parse_args()
    seconds = []
    for number in args.units:
        units = [Unit(f"v{at}", f"{at:032x}", FRAMES) for at in range(number)]
        began = time.perf_counter()
        fill(units, make_nothing, workers=args.workers)
        seconds.append(time.perf_counter() - began)
        print(f"{number:>7} units: {seconds[-1]:7.1f} s, Ray's start included", flush=True)
    few, many = args.units
    slope = (seconds[1] - seconds[0]) / (many - few)
    print(f"{1e3 * slope:.2f} ms a unit of the driver's time: at most {FRAMES / max(slope, 1e-9):,.0f} frames/s")
    print(json.dumps({"ms_a_unit": round(1e3 * slope, 3)}))


if __name__ == "__main__":
    main()
