"""A pipeline small enough for a test, and what ran of it."""

TINY = {
    "synthesize": {"train_videos": 16, "test_videos": 8, "min_frames": 20, "max_frames": 22},
    "data": {"num_frames": 4, "crop": 32, "short_side_min": 32, "short_side_max": 36, "short_side_eval": 32},
    "model": {"attention_channels": 8, "attention_depth": 1},
    "train": {"epochs": 2},
    "machine": {"max_failed": 0.3},
}


def make_tiny(values: dict) -> None:
    """The embedded profile, as small as it runs."""
    for block, settings in TINY.items():
        values["datasets"]["synthetic"][block].update(settings)


def ran(output: str) -> set[str]:
    """Names of the stages that a command ran."""
    lines = output.splitlines()
    return {line.split("'")[1] for line in lines if line.startswith("Running stage ")}
