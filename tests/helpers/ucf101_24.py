"""Files in the formats of UCF101-24's annotations: the XML of ViPER, and the pickle of the corrected annotations."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np

_HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<viper xmlns="http://lamp.cfar.umd.edu/viper#" xmlns:data="http://lamp.cfar.umd.edu/viperdata#">
  <config>
    <descriptor name="Information" type="FILE">
      <attribute dynamic="false" name="NUMFRAMES" type="http://lamp.cfar.umd.edu/viperdata#dvalue"/>
    </descriptor>
    <descriptor name="PERSON" type="OBJECT">
      <attribute dynamic="true" name="Location" type="http://lamp.cfar.umd.edu/viperdata#bbox"/>
      <attribute dynamic="true" name="Biking" type="http://lamp.cfar.umd.edu/viperdata#bvalue"/>
      <attribute dynamic="true" name="Diving" type="http://lamp.cfar.umd.edu/viperdata#bvalue"/>
    </descriptor>
  </config>
  <data>
    <sourcefile filename="none.avi"/>
"""
_FILE = """    <sourcefile filename="file:/videos/v.avi">
      <file id="0" name="Information">
        <attribute name="NUMFRAMES"><data:dvalue value="{frames}"/></attribute>
      </file>
{persons}    </sourcefile>
"""
_OLDER = """    <sourcefile filename="an-older-video.avi">
      <object framespan="1:9" id="0" name="PERSON">
        <attribute name="Location"><data:bbox framespan="1:9" height="240" width="320" x="0" y="0"/></attribute>
        <attribute name="Biking"><data:bvalue framespan="1:9" value="true"/></attribute>
      </object>
    </sourcefile>
"""

Box = tuple[str, int, int, int, int]  # framespan, x, y, width, height


def person(number: int, boxes: list[Box], actions: str = "") -> str:
    """An object: its boxes, and the frames of its action Biking ("" for none)."""
    lines = [
        f'<data:bbox framespan="{span}" height="{height}" width="{width}" x="{x}" y="{y}"/>'
        for span, x, y, width, height in boxes
    ]
    true = f'<data:bvalue framespan="{actions}" value="true"/>' if actions else ""
    return f"""      <object framespan="{boxes[0][0]}" id="{number}" name="PERSON">
        <attribute name="Location">{"".join(lines)}</attribute>
        <attribute name="Biking"><data:bvalue framespan="1:1" value="false"/>{true}</attribute>
        <attribute name="Diving"><data:bvalue framespan="1:9" value="false"/></attribute>
      </object>
"""


def write_xgtf(path: Path, *persons: str, frames: int | str = 9) -> None:
    """A file as THUMOS 2013's, whose second source file is an older video."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{_HEAD}{_FILE.format(frames=frames, persons=''.join(persons))}{_OLDER}  </data>\n</viper>\n")


def tube(first: int, boxes: list[list[int]], label: int = 2) -> dict[str, Any]:
    return {"label": label, "ef": first + len(boxes), "boxes": np.array(boxes, np.uint8), "sf": first}


def entry(frames: int, *tubes: dict[str, Any]) -> dict[str, Any]:
    return {"annotations": list(tubes), "numf": np.uint8(frames), "label": 2}


def write_pickle(path: Path, videos: dict[str, dict[str, Any]]) -> None:
    """As pyannot.pkl: of protocol 3, with names as texts of numpy, by the modules that numpy 1 had."""
    content = pickle.dumps({np.str_(name): each for name, each in videos.items()}, protocol=3)
    path.write_bytes(content.replace(b"numpy._core", b"numpy.core"))
