"""A Python in which only what the package's core needs can be imported."""

# Top-level names of what only the pipeline, the report or Ray needs.
BEYOND_CORE = ("dvc", "torchvision", "lightning_fabric", "decord", "zarr", "google_crc32c", "imagecodecs",
               "pycocotools", "pandas", "pyarrow", "jinja2", "plotly", "ray")  # fmt: skip
HIDE = f"""
import sys
class Hide:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {BEYOND_CORE}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Hide())
"""
