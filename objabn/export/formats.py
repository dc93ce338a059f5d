"""The two formats: write a traced network to a file with notes inside, and run what a file holds.

Shapes: B clips, T frames, S pixels.
"""

import json
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.export import ExportedProgram

from objabn.export.graph import BATCH, CLIPS

Runner = Callable[[Tensor], Sequence[Tensor]]  # clips, float32 (B, 3, T, S, S), to the graph's outputs
ONNX, PT2 = "onnx", "pt2"  # formats, and suffixes of their files
FORMATS = (ONNX, PT2)
NOTES = "objabn.json"  # key of the notes in a file's metadata (ONNX), or among its extra files (pt2)
OPSET = 18  # of ONNX
OPERATORS = {ONNX: f"ONNX, opset {OPSET}", PT2: "ATen, as torch.export has it"}
PACKAGES = ("onnx", "onnxscript", "onnxruntime")  # of the extra `export`
_MADE_BY = ("stack_trace", "nn_module_stack", "source_fn_stack")  # of a node; they name folders of this machine
_LARGEST = 2**31 - 2**20  # bytes of an ONNX file, which is one message of protobuf


def check_format(file_format: str) -> None:
    """Check that there is such a format, and that its packages are installed.

    Raises:
        ValueError: there is none, or a package is missing.
    """
    if file_format not in FORMATS:
        raise ValueError(f"format: expected {' or '.join(FORMATS)}, got {file_format!r}")
    if file_format == ONNX and (missing := [name for name in PACKAGES if find_spec(name) is None]):
        raise ValueError(
            f"format onnx: expected {', '.join(PACKAGES)} to be installed, found no {missing[0]}; "
            "`pip install '.[export]'` in a checkout of objabn; pt2 needs none of them"
        )


def write(
    program: ExportedProgram, outputs: Sequence[str], notes: dict[str, Any], path: Path, file_format: str
) -> None:
    """Write a traced network to a file, with notes inside.

    Args:
        outputs: names of what it returns.
        notes: JSON-serialisable, under the key `NOTES`.

    Raises:
        ValueError: the format has not all operators of the network, or no room for its weights.
    """
    text = json.dumps(notes, indent=2, ensure_ascii=False)
    with _quiet():
        if file_format == PT2:
            _save(program.run_decompositions({}), text, path)  # without the blocks that switch autocast off
        else:
            path.write_bytes(_onnx(program, outputs, text))


def _save(program: ExportedProgram, notes: str, path: Path) -> None:
    for module in program.graph_module.modules():
        for node in module.graph.nodes:
            for made_by in _MADE_BY:
                node.meta.pop(made_by, None)
    with path.open("wb") as file:
        torch.export.save(program, file, extra_files={NOTES: notes})


def _onnx(program: ExportedProgram, outputs: Sequence[str], notes: str) -> bytes:
    size = sum(value.nbytes for value in program.state_dict.values())
    if size > _LARGEST:
        raise ValueError(f"format onnx: expected weights of less than 2 GiB, got {size / 2**30:.1f}; pt2 takes them")
    try:
        made = torch.onnx.export(
            program, dynamo=True, opset_version=OPSET, input_names=[CLIPS], output_names=list(outputs),
            dynamic_shapes={CLIPS: {0: BATCH}}, verbose=False,
        )  # fmt: skip
    except Exception as error:  # of torch's and of onnxscript's own kinds
        reason = " ".join(str(error.__cause__ or error).split())[:300]
        raise ValueError(f"format onnx: expected operators that ONNX has, got {reason}; try pt2") from error
    assert made is not None
    model = made.model_proto
    del model.metadata_props[:]
    for each in (model.graph, *model.graph.node, *model.graph.input, *model.graph.output, *model.graph.value_info):
        del each.metadata_props[:]  # how torch made it
    model.metadata_props.add(key=NOTES, value=notes)
    return model.SerializeToString()


def open_file(path: Path, file_format: str) -> tuple[Runner, dict[str, Any]]:
    """Return what runs the network of a file on the CPU, and the notes in it."""
    return (_open_onnx if file_format == ONNX else _open_pt2)(path)


def _open_onnx(path: Path) -> tuple[Runner, dict[str, Any]]:
    onnxruntime = import_module("onnxruntime")
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    notes = json.loads(session.get_modelmeta().custom_metadata_map[NOTES])

    def run(clips: Tensor) -> list[Tensor]:
        return [torch.from_numpy(each) for each in session.run(None, {CLIPS: clips.contiguous().numpy()})]

    return run, notes


def _open_pt2(path: Path) -> tuple[Runner, dict[str, Any]]:
    extra = {NOTES: ""}
    with _quiet(), path.open("rb") as file:
        module = torch.export.load(file, extra_files=extra).module()

    def run(clips: Tensor) -> Sequence[Tensor]:
        with torch.no_grad():
            return module(clips)

    return run, json.loads(extra[NOTES])


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what torch and onnxscript say of themselves off the terminal."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
