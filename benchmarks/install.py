"""What an installation costs: packages, megabytes and seconds, in an environment that is made for it and removed.

python -m benchmarks.install                # pip install .: the command objabn and the library, then explains a clip
python -m benchmarks.install repro tests    # what `make repro` installs, and what `make test` adds

The seconds are those of this machine and its network, or of pip's cache. "CUDA" is what NVIDIA's packages and triton
take, which come with torch's builds for CUDA and not with those for the CPU.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
WAYS = {
    "core": ["."],
    "repro": ["--requirement", "requirements.txt"],
    "tests": ["--requirement", "requirements-dev.txt"],
}
CUDA = ("nvidia", "triton", "cuda")
NO_NOTICE = "--disable-pip-version-check"


def megabytes(folder: Path) -> int:
    """Size of a folder's files."""
    return round(sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6)


def measure(way: str, place: Path) -> dict[str, float]:
    """Install in one way into a new environment at `place`; what it took."""
    subprocess.run([sys.executable, "-m", "venv", place], check=True)
    python = place / "bin/python"
    started = time.perf_counter()
    subprocess.run([python, "-m", "pip", "install", NO_NOTICE, "--quiet", *WAYS[way]], cwd=ROOT, check=True)
    seconds = time.perf_counter() - started
    command = [python, "-m", "pip", "list", NO_NOTICE, "--format=json"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True)
    packages = {package["name"] for package in json.loads(listed.stdout)} - {"pip", "setuptools"}
    (site,) = place.glob("lib/python*/site-packages")
    cuda = sum(megabytes(site / name) for name in CUDA if (site / name).is_dir())
    return {"packages": len(packages), "megabytes": megabytes(site), "cuda_megabytes": cuda, "seconds": seconds}


def explain(place: Path, folder: Path) -> tuple[float, str]:
    """Explain a drawn clip outside the checkout, by the installed command; seconds, and what it printed."""
    from objabn.synthetic.scenes import make_scene, render_video
    from objabn.video.write import write_video

    write_video(folder / "clip.mp4", render_video(make_scene("wave", seed=1, split="install", number=0))[0])
    started = time.perf_counter()
    command = [place / "bin/objabn", "explain", "clip.mp4", "--device", "cpu"]
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    return time.perf_counter() - started, done.stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "ways", nargs="*", choices=[*WAYS, []], metavar="WAY", help="core, repro, tests (default: core)"
    )
    ways = parser.parse_args().ways or ["core"]
    results = {}
    for way in ways:
        with tempfile.TemporaryDirectory(prefix="objabn-install-") as folder:
            place = Path(folder, "venv")
            results[way] = measure(way, place)
            if way == "core":
                (clips := Path(folder, "elsewhere")).mkdir()
                results[way]["explain_seconds"], said = explain(place, clips)
                print(said, end="")
    for name in ("build", "objabn.egg-info"):  # what pip leaves in a checkout
        shutil.rmtree(ROOT / name, ignore_errors=True)
    print(f"{'':8}{'packages':>10}{'MB':>8}{'of it CUDA':>12}{'seconds':>9}")
    for way, row in results.items():
        print(f"{way:8}{row['packages']:>10}{row['megabytes']:>8,}{row['cuda_megabytes']:>12,}{row['seconds']:>9.0f}")
    print(json.dumps(results))


if __name__ == "__main__":
    main()
