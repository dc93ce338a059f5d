"""What segmenters with weights of the Hugging Face Hub need: the library, a whole folder, and that both fit."""

import importlib.util
from pathlib import Path

from objabn.config.segmenters import FromHub, Sam3, Transformers
from objabn.preflight.findings import Finding, fault, ok, warning
from objabn.preflight.weights import ask
from objabn.segmentation.segmenters import hub

_LARGEST = 1_000_000_000  # bytes, of weights that are loaded here: more take long, and their header tells most


def hub_findings(key: str, segment: FromHub, groups: list[str], instead: str) -> list[Finding]:
    """Look for the library and the checkpoint, and whether both fit.

    The network is asked only for a name that is not here, and nothing is downloaded.

    Args:
        key: of the block, datasets.<name>.segment.
        groups: those that training counts, for checkpoints without persons.
        instead: what else to do where library or weights cannot be had, in words.
    """
    if importlib.util.find_spec("transformers") is None:
        line = f"{key}.backend: expected transformers to be installed, found no such library; {hub.INSTALL}"
        return [fault("segment", f"{line}; or {instead}")]
    gated = hub.GATED if isinstance(segment, Sam3) else ""
    try:
        folder = hub.local_folder(segment.weights, segment.revision)
        if folder is None:
            return [_absent(key, segment, gated, instead)]
        hub.check_folder(folder)
        found = _misfits(key, segment, folder, groups)
    except ValueError as error:
        return [fault("segment", _with_key(key, str(error)))]
    return found or [ok("segment", f"{key}.weights: {segment.weights}")]


def _with_key(key: str, line: str) -> str:
    """Begin a line of the backend's with the key in params.yaml that it is about, else with that of the weights."""
    return key.removesuffix("segment") + line if line.startswith("segment.") else f"{key}.weights: {line}"


def _absent(key: str, segment: FromHub, gated: str, instead: str) -> Finding:
    """Say that weights are not here, and whether the Hub answers where they have a name."""
    if not hub.is_name(segment.weights):
        return fault("segment", f"{key}.weights: {hub.no_folder(segment.weights)}; or {instead}")
    url = f"https://huggingface.co/{segment.weights}"
    if reason := ask([url]).get(url):
        line = hub.cannot_have(segment.weights, segment.revision, gated=gated)
        return fault("segment", _with_key(key, f"{line}, got {reason}; or {instead}"))
    line = f"{key}.weights: not here, but {url} answers"
    return warning("segment", f"{line}; it is gated: {gated}") if gated else ok("segment", line)


def _misfits(key: str, segment: FromHub, folder: Path, groups: list[str]) -> list[Finding]:
    """List what does not fit; small weights are loaded for that. Raises: ValueError for what the backend refuses."""
    is_small = (folder / hub.WEIGHTS).stat().st_size <= _LARGEST
    if isinstance(segment, Transformers):
        from objabn.segmentation.segmenters import transformers

        if "person" not in (names := transformers.label_names(folder, segment.class_names)) and groups == ["person"]:
            some = ", ".join(names[:3])
            expected = "expected a checkpoint with the class person, or other in mask.groups"
            return [fault("segment", f"{key}.weights: {expected}, got {segment.weights} with {some}, ...")]
        transformers.check_weights(
            segment.weights, segment.revision, segment.short_edge, segment.class_names, load=is_small
        )
        wrong = transformers.kind_fault(names)
        return [warning("segment", f"{key}.weights: {segment.weights}: {wrong}")] if wrong else []
    from objabn.segmentation.segmenters import sam3

    assert isinstance(segment, Sam3)
    sam3.check_weights(segment.weights, segment.revision, segment.prompts, load=is_small)
    return []
