"""Validate and measure everything on one GPU, within ten minutes.

python -m benchmarks.gpu                       # all parts, on the GPU that CUDA sees first
python -m benchmarks.gpu --parts 1,2,3         # some of them
python -m benchmarks.gpu --device cpu --tiny   # the benchmark itself, tried without a GPU

Each part is a process of its own: a fault, a lost GPU or too much time ends that part and no other. Lines are PASS,
FAIL or note; the last line is a JSON object of all figures. The exit status is 1 after any FAIL, and 2 without a GPU.
"""

import argparse
import importlib
import json
import os
import signal
import sys
import time
import traceback
from contextlib import suppress
from multiprocessing import connection, get_context
from pathlib import Path
from typing import Any, NamedTuple

import torch

from benchmarks.gpu.machine import listed_gpus
from benchmarks.gpu.report import FAIL, NOTE, PASS, Bench, Line


class Part(NamedTuple):
    """A part of the benchmark.

    Attributes:
        seconds: that it takes on a fast GPU; with less time left it does not begin.
        most: seconds after which it is ended.
    """

    module: str
    title: str
    seconds: float
    most: float


PARTS = {
    1: Part("machine", "the machine", 5, 60),
    2: Part("depthwise", "depthwise convolutions of X3D-M, one by one", 40, 120),
    3: Part("steps", "a step of training of X3D-M, by its switches", 60, 240),
    4: Part("agreement", "the same numbers as on the CPU", 20, 120),
    5: Part("loading", "loading clips, alone and beside the step", 20, 90),
    6: Part("segmentation", "Mask R-CNN R50-FPN", 20, 120),
    7: Part("embedded", "the embedded data, from videos to numbers", 80, 300),
    8: Part("several", "several GPUs", 10, 180),
}
_FORK = get_context("fork")  # a child has all modules at once; CUDA is not asked before the fork
_ASKING_SEC = 60.0
_SPARE_SEC = 5.0  # before its end a part is told that its time is over


def main() -> int:
    """Run the parts, print what they find, and return the exit status."""
    args = _arguments()
    device, began = torch.device(args.device), time.monotonic()
    lines: dict[str, dict[str, Any]] = {}
    seconds: dict[int, float] = {}
    chosen = args.parts
    if device.type == "cuda" and not _is_cuda_there():
        if not listed_gpus():
            print("no GPU: CUDA finds none here, and nvidia-smi lists none; --device cpu --tiny tries the benchmark")
            return 2
        chosen = [1]  # it says what is wrong
    for number in chosen:
        part, left = PARTS[number], began + 60 * args.minutes - time.monotonic()
        if left < part.seconds and not args.tiny:
            text = f"not run: {left:.0f} s are left of {args.minutes:g} minutes, it takes about {part.seconds:.0f}"
            _print(lines, Line(NOTE, f"part {number}", text, {}))
            continue
        print(f"\n{number}. {part.title}", flush=True)
        started = time.monotonic()
        _run(number, device, args.tiny, min(part.most, left), lines)
        seconds[number] = round(time.monotonic() - started, 1)
    failed = [name for name, line in lines.items() if line["verdict"] == FAIL]
    whole = round(time.monotonic() - began, 1)
    passed = sum(line["verdict"] == PASS for line in lines.values())
    print(f"\n{passed} PASS, {len(failed)} FAIL in {whole:.0f} s{': ' if failed else ''}{'; '.join(failed)}")
    report = {"device": args.device, "tiny": args.tiny, "seconds": whole, "parts": seconds, "failed": failed}
    print(report_text := json.dumps({**report, "lines": lines}), flush=True)
    if args.out:
        args.out.write_text(report_text + "\n")
    return 1 if failed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--tiny", action="store_true", help="as small as it runs: its numbers mean nothing")
    parser.add_argument("--parts", type=_numbers, default=list(PARTS), metavar="1,2,...", help="(default: all)")
    parser.add_argument("--minutes", type=float, default=10.0, help="for all parts (default: 10)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="also write the JSON object here")
    args = parser.parse_args()
    if args.device == "cpu" and not args.tiny:
        parser.error("expected --tiny with --device cpu: the full benchmark takes hours there")
    return args


def _numbers(text: str) -> list[int]:
    try:
        numbers = sorted({int(each) for each in text.split(",")})
    except ValueError:
        numbers = []
    if not numbers or not set(numbers) <= set(PARTS):
        raise argparse.ArgumentTypeError(f"expected numbers of {min(PARTS)} to {max(PARTS)}, got {text!r}")
    return numbers


def _is_cuda_there() -> bool:
    """Ask in another process, since a process that has asked CUDA cannot fork ones that use it."""
    receiver, sender = _FORK.Pipe(duplex=False)
    asking = _FORK.Process(target=lambda: sender.send(torch.cuda.is_available()))
    asking.start()
    sender.close()
    try:
        return receiver.poll(_ASKING_SEC) and receiver.recv()
    except EOFError:
        return False
    finally:
        asking.kill()
        asking.join()


def _run(number: int, device: torch.device, tiny: bool, most: float, lines: dict[str, Any]) -> None:
    """Run a part in a process, and print its lines as they come."""
    receiver, sender = _FORK.Pipe(duplex=False)
    bench = Bench(device, tiny, time.monotonic() + most - _SPARE_SEC, sender)
    child = _FORK.Process(target=_work, args=(PARTS[number].module, bench))
    child.start()
    sender.close()
    deadline, has_ended = time.monotonic() + most, False
    while not has_ended and (left := deadline - time.monotonic()) > 0:
        connection.wait([receiver, child.sentinel], timeout=left)
        has_ended = child.exitcode is not None  # asked before the last lines are read
        with suppress(EOFError):
            while receiver.poll():
                _print(lines, receiver.recv())
    _end(child)
    if not has_ended:
        _print(lines, Line(FAIL, f"part {number}", f"was ended: it took more than {most:.0f} s", {}))
    elif code := child.exitcode:
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit status {code}"
        _print(lines, Line(FAIL, f"part {number}", how, {}))


def _end(child: Any) -> None:
    """End a part's process, and the processes that it has started."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:  # it has ended with all of them, or has no group yet
        child.kill()
    child.join()


def _work(module: str, bench: Bench) -> None:
    """Run a part, in its process; what it raises is a finding like others."""
    os.setsid()  # a group of its own, which is ended with it
    try:
        importlib.import_module(f"benchmarks.gpu.{module}").run(bench)
    except Exception as error:
        traceback.print_exc()
        bench.check(f"part {module}", False, f"{type(error).__name__}: {str(error)[:300]}")


def _print(lines: dict[str, dict[str, Any]], line: Line) -> None:
    lines[line.name] = {"verdict": line.verdict, "text": line.text, **line.figures}
    print(f"{line.verdict}  {line.name}: {line.text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
