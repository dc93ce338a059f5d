"""Weights that a library would download: are they in its cache, and if not, can they be had from here?"""

import hashlib
import re
import threading
import urllib.error
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from objabn.preflight.findings import Finding, fault, ok
from objabn.system.checkouts import why_absent
from objabn.system.downloads import bring, not_whole

# As pytorchvideo has it (a test compares): to import it takes seconds.
X3D_M = "https://dl.fbaipublicfiles.com/pytorchvideo/model_zoo/kinetics/X3D_M.pyth"
WAIT_SEC = 3.0  # for the answers of all hosts together


@dataclass(frozen=True)
class Download:
    """A file that a library downloads: which stage and key ask for it, from where, to where."""

    stage: str
    key: str
    url: str
    path: Path
    instead: str = ""  # what else to do where it cannot be had, in words


def download_findings(downloads: Iterable[Download]) -> list[Finding]:
    """Look for each file in its library's cache, and ask its host for the others."""
    wanted = list(dict.fromkeys(downloads))
    absent = [each for each in wanted if not each.path.is_file()]
    answers = ask([each.url for each in absent])
    return [_finding(each, answers.get(each.url)) for each in wanted]


def _finding(wanted: Download, answer: str | None) -> Finding:
    if wanted.path.is_file():
        if damage := not_whole(wanted.path) or _other_digest(wanted.path):
            line = f"{wanted.path}: expected the file of {wanted.url}, got {damage}; remove it and fetch it again"
            return fault(wanted.stage, f"{wanted.key}: {line}")
        return ok(wanted.stage, f"{wanted.key}: {wanted.path}")
    if not answer:
        return ok(wanted.stage, f"{wanted.key}: not here, but {wanted.url} answers")
    line = f"{wanted.key}: expected weights on the disk or a download, got {answer}"
    instead = f"; or {wanted.instead}" if wanted.instead else ""
    return fault(wanted.stage, f"{line}; {bring(wanted.url, wanted.path, wanted.key)}{instead}")


def _other_digest(path: Path) -> str | None:
    """Compare a file with the beginning of the SHA-256 in its name, as torchvision has it."""
    digits = re.search(r"-([0-9a-f]{8,})\.pth$", path.name)
    if not digits:
        return None
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return None if digest.startswith(digits[1]) else f"another content (SHA-256 {digest[: len(digits[1])]}...)"


def ask(urls: Iterable[str], seconds: float = WAIT_SEC) -> dict[str, str]:
    """Map addresses that do not answer in time to the reason.

    All are asked at once, and nothing is fetched. Proxies of the environment count, as they do in a download.
    """
    answers: dict[str, str] = {}

    def look(url: str) -> None:
        host = url.split("/")[2]
        answers[url] = f"no answer of {host} within {seconds:g} s"
        try:
            urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=seconds).close()
            answers[url] = ""
        except urllib.error.HTTPError as error:
            answers[url] = f"the answer {error.code} of {host}"
        except OSError as error:
            answers[url] = f"no connection to {host} ({getattr(error, 'reason', error)})"

    # Looking up a name obeys no timeout, so threads do it that need not end.
    threads = [threading.Thread(target=look, args=(url,), daemon=True) for url in dict.fromkeys(urls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(seconds)
    return {url: reason for url, reason in answers.items() if reason}


def file_fault(key: str, path: str, expected: str) -> str | None:
    """Say what is wrong with a file of weights, as far as its first bytes tell.

    Args:
        expected: what the parameter may be, in words.
    """
    if not Path(path).is_file():
        got = "a directory" if Path(path).is_dir() else "no such file"
        return f"{key}: expected {expected}, got {path!r}: {got}{why_absent(path, key)}"
    if damage := not_whole(Path(path)):
        return f"{key}: {path}: expected {expected}, got {damage}; fetch it again"
    return None
