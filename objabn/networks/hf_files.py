"""Name the files of a folder of transformers that decide what a network answers."""

from pathlib import Path

CONFIG = "config.json"
PROCESSORS = ("processor_config.json", "video_preprocessor_config.json", "preprocessor_config.json")  # in this order
WEIGHTS = ("*.safetensors", "*.bin")


def settings_of(folder: Path) -> list[Path]:
    """List the config and the processors' files that a folder has."""
    return [folder / name for name in (CONFIG, *PROCESSORS) if (folder / name).is_file()]


def weights_of(folder: Path) -> list[Path]:
    """List the files of weights that a folder has, by name."""
    return sorted(path for pattern in WEIGHTS for path in folder.glob(pattern))
