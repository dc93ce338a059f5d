"""Every block of commands of README.md and docs/ that is not marked runs as written, in a checkout with small data.

The blocks of a page run in its order. What is smaller than in the true checkout: the embedded data, the trainings, and
the rows, which are `abn` and `mask` with and without PC, and `plain`, one seed each.
"""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from objabn.synthetic.scenes import make_scene, render_video
from objabn.video.write import write_video
from tests.helpers.clones import edit_params, environment, git
from tests.helpers.pages import ROOT, blocks, pages
from tests.helpers.pipeline import TINY, make_tiny

RUN = {
    page: [block for block in blocks(page, text) if block.mark is None and block.language in ("bash", "python")]
    for page, text in pages().items()
}
SECONDS = 900  # of one block


def _make_small(values: dict) -> None:
    make_tiny(values)
    values["table"]["attention"] = ["abn", "mask"]
    for block in ("data", "model", "train", "gradcam"):
        values["datasets"]["quick"][block].update(TINY[block])


def _write_videos(folder: Path) -> None:
    """The videos that pages call theirs: two classes of four, one more, and a table of the eight."""
    lines = ["path,label,split"]
    for number, action in enumerate(["kick", "wave"]):
        for take in range(4):
            path = Path(action) / f"{action}_{take}.mp4"
            (folder / "my_videos" / action).mkdir(parents=True, exist_ok=True)
            scene = make_scene(action, seed=7, split="train", number=4 * number + take, min_frames=20, max_frames=22)
            write_video(folder / "my_videos" / path, render_video(scene)[0])
            lines.append(f"{path},{action},{'test' if take == 3 else 'train'}")
    (folder / "my_video.mp4").write_bytes((folder / "my_videos/kick/kick_0.mp4").read_bytes())
    (folder / "my.csv").write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Callable[..., str], Path]:
    """What runs a script, of bash or Python, in a checkout whose pipeline has run, and the checkout's directory."""
    folder = tmp_path_factory.mktemp("pages") / "objabn"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((ROOT / name).read_bytes())
    (folder / "dvc.lock").unlink()
    edit_params(folder, _make_small)
    _write_videos(folder)
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "small")
    activate = folder / ".venv/bin/activate"
    activate.parent.mkdir(parents=True)
    activate.write_text(f"PATH={Path(sys.executable).parent}:$PATH\n")
    variables = environment(folder / ".cache") | {"PYTHONPATH": "", "BROWSER": "true"}

    def start(text: str, language: str = "bash") -> str:
        command = ["bash", "-euo", "pipefail", "-c", text] if language == "bash" else [sys.executable, "-c", text]
        done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, timeout=SECONDS)
        assert done.returncode == 0, f"{text}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout

    start("dvc repro && git add -A && git commit -qm results")
    return start, folder


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page, found in RUN.items() if found])
def test_the_commands_of_a_page_run_as_written(page: str, run: tuple[Callable[..., str], Path]) -> None:
    start, folder = run
    try:
        before = ""  # what a page's Python has done so far
        for block in RUN[page]:
            before += block.text if block.language == "python" else ""
            start(before if block.language == "python" else block.text, block.language)
    finally:  # the next page begins with the parameters and results of this checkout
        git(folder, "checkout", "-q", "--", ".")
        start("dvc checkout -q")


def test_nearly_all_pages_have_commands_that_run() -> None:
    assert sum(bool(found) for found in RUN.values()) >= len(RUN) // 2
