"""A Python in which only what the package's core needs can be imported."""

# Top-level names of what only the pipeline, the report or Ray needs.
BEYOND_CORE = ("dvc", "lightning_fabric", "decord", "zarr", "google_crc32c", "imagecodecs",
               "pycocotools", "pandas", "pyarrow", "scipy", "jinja2", "plotly", "ray")  # fmt: skip
HIDE = f"""
import sys
from importlib.machinery import PathFinder
find = PathFinder.find_spec
PathFinder.find_spec = lambda name, *given: None if name.partition(".")[0] in {BEYOND_CORE} else find(name, *given)
"""
