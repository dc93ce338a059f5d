"""Explain a visitor's video: run the network once, and say where all that a page shows of it is."""

import os
import shutil
from collections import deque
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from objabn.config.rows import GRAD_CAM
from objabn.demo.frames import MOST, legend, write_pictures
from objabn.demo.offers import Networks
from objabn.demo.told import told_classes, told_maps, told_video, what_entropy_means
from objabn.explanation.explain import explain
from objabn.explanation.explanation import Explanation
from objabn.explanation.files import MAPS, OVERLAY
from objabn.explanation.inputs import complain
from objabn.index.names import printable

KEPT = 8  # explanations whose files stay on the disk
_PICTURES = "pictures.bin"
_LEAST_MS, _MOST_MS = 40, 1000  # between two frames that play
_GRAD_CAM = "grad-cam"


class Explainer:
    """Explains videos, and keeps the files of the last few.

    Args:
        networks: that are offered.
        folder: where files of explanations go.
        url: of the server's files; the path of one is appended.
        most: frames that a page shows of a video.
    """

    def __init__(self, networks: Networks, folder: Path, url: str, most: int = MOST) -> None:
        self._networks, self._folder, self._url, self._most = networks, folder, url, most
        self._kept: deque[Path] = deque()
        self._count = 0

    def explain(self, network: str, video: str | None, grad_cam: bool) -> dict[str, Any]:
        """Explain a video; what the page shows, as JSON-serialisable values.

        Args:
            network: name of an offered one.
            video: the file, or None where the visitor has given none.
            grad_cam: also Grad-CAM, of a network that has maps of its own.

        Returns:
            {"fault": one line} when it could not be explained; no exception is raised.
        """
        if video is None:
            return {"fault": "Choose a video first: drop one above, or take an example."}
        name = printable(Path(video).name)
        try:
            return self._explained(network, Path(video), grad_cam)
        except Exception as error:  # whatever one video does to a decoder, the page goes on
            kind = "" if isinstance(error, ValueError | OSError) else f"{type(error).__name__}: "
            line = f"{name}: {kind}{' '.join(str(error).split())}"
            complain(line)
            return {"fault": line}

    def _explained(self, network: str, video: Path, grad_cam: bool) -> dict[str, Any]:
        loaded = self._networks.load(network)
        folder = self._new_folder()
        found = [explain(video, loaded, out=folder)]
        if grad_cam and GRAD_CAM not in found[0].maps:
            found.append(explain(video, loaded, method=_GRAD_CAM, out=folder / _GRAD_CAM))
        maps = {letter: each for explanation in found for letter, each in explanation.maps.items()}
        own = found[0]
        pictures = write_pictures(folder / _PICTURES, video, own.frames, maps, own.box, self._most)
        return {
            "video": printable(video.name),
            "network": network,
            "about": self._networks.offers[network].about,
            "warning": self._networks.offers[network].warning,
            "classes": told_classes(own),
            "known": len(own.class_names),
            "said": told_video(own, len(pictures.places)),
            "maps": told_maps(found),
            "entropy": what_entropy_means(own.evaluation.entropy_bins),
            "legend": legend(),
            "pictures": self._address(folder / _PICTURES),
            "sizes": pictures.sizes,
            "frames": own.frames[pictures.places].tolist(),
            "seconds": own.seconds[pictures.places].round(3).tolist(),
            "milliseconds": _interval(own, pictures.places),
            "files": self._files(folder, len(found) > 1),
        }

    def _new_folder(self) -> Path:
        """Make the folder of an explanation; those of the oldest go."""
        self._count += 1
        folder = self._folder / f"{self._count:06d}"
        folder.mkdir(parents=True)
        self._kept.append(folder)
        while len(self._kept) > KEPT:
            shutil.rmtree(self._kept.popleft(), ignore_errors=True)
        return folder

    def _files(self, folder: Path, grad_cam: bool) -> list[dict[str, str]]:
        """Files to download: `name` and `url`."""
        places = {"": folder, **({_GRAD_CAM: folder / _GRAD_CAM} if grad_cam else {})}
        files = []
        for prefix, place in places.items():
            for name in (OVERLAY, MAPS):
                own = f"{prefix}-{name}" if prefix else name
                files.append({"name": own, "url": self._address(place / name)})
        return files

    def _address(self, path: Path) -> str:
        return self._url + quote(os.path.abspath(path))


def _interval(explanation: Explanation, places: np.ndarray) -> int:
    """Milliseconds between two shown frames at the video's speed, within what an eye can follow."""
    steps = np.diff(explanation.seconds[places])
    usual = float(np.median(steps)) * 1000 if len(steps) else _MOST_MS
    return int(min(max(round(usual), _LEAST_MS), _MOST_MS))
