"""Describe all parameters: what each may be, what it means, and which stages read it.

Values and ranges are the schema's, meanings are the comments of params.yaml and, where it has none, of the schema;
stages are those of dvc.yaml.
"""

import inspect
import re
from collections import Counter
from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel, TypeAdapter

from objabn.config.file import read_yaml
from objabn.config.rows import NetworkControl
from objabn.config.schema import Params
from objabn.config.segmenters import SEMANTIC, Semantic

_LINE = re.compile(r"^( *)([A-Za-z0-9_-]+):(?: [^#]*?)?(?:(?:^|\s)# ?(.*))?$")
_ROOT, _BLOCK = "datasets.", "<name>"
_OF_CONTROLS = "-control"
_SKIPPED = ("datasets", "controls")  # described block by block; a control's keys are those of its classes


class Parameter(NamedTuple):
    """One key of params.yaml.

    Attributes:
        key: dotted, such as `table.seeds`, or `datasets.<name>.train.lr` for that of any data set.
        kind: of a block that comes in several kinds (a segmenter's backend, a control's masks, a network); else empty.
        values: what it may be.
        meaning: in words; may be empty.
        stages: that read it; a change runs them again, and what follows from their outputs.
    """

    key: str
    kind: str
    values: str
    meaning: str
    stages: tuple[str, ...]


def parameters(params_text: str, pipeline_text: str) -> list[Parameter]:
    """List all parameters, in the schema's order.

    Args:
        params_text: of params.yaml, whose comments say what a key means where it comes first.
        pipeline_text: of dvc.yaml.
    """
    comments, readers = _comments(params_text), _readers(pipeline_text)
    blocks = list(_blocks(Params))
    alone = Counter(place for place, _ in blocks)  # where several classes stand, a comment may be of another one
    found = []
    for place, model in blocks:
        notes = _schema_comments(model)
        for name in model.model_fields:
            if (not place and name in _SKIPPED) or not (values := _values(model, name)):
                continue
            key = f"{place}{name}"
            in_file = _meaning(comments, key) if alone[place] == 1 or name == "backend" else ""
            meaning = in_file or notes.get(name, "")
            stages = tuple(stage for stage, read in readers.items() if any(_is_below(key, each) for each in read))
            found.append(Parameter(key, _kind(model), values, meaning, stages))
    return found


def _blocks(model: type[BaseModel], place: str = "") -> Iterator[tuple[str, type[BaseModel]]]:
    """Every block of the schema with the beginning of its keys, outer ones first."""
    yield place, model
    for name, field in model.model_fields.items():
        inner = f"{_ROOT}{_BLOCK}." if model is Params and name == "datasets" else f"{place}{name}."
        inner = f"controls.{_BLOCK}." if model is Params and name == "controls" else inner
        for each in _models(field.annotation):
            yield from _blocks(each, inner)


def _models(annotation: Any) -> list[type[BaseModel]]:
    """Classes of blocks that a field may hold; [] for a value."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in (Annotated, Union, UnionType, dict):
        return list(dict.fromkeys(model for part in get_args(annotation) for model in _models(part)))
    return []


def kind_of_segmenter(block: dict[str, Any]) -> str:
    """Name the kind of a block `segment` of params.yaml, as in `Parameter.kind`.

    >>> kind_of_segmenter({"backend": "torchvision", "model": "deeplabv3_resnet50"})
    'torchvision, semantic models'
    """
    if block.get("backend") != "torchvision":
        return str(block.get("backend", ""))
    return f"torchvision, {'semantic models' if block.get('model') in SEMANTIC else 'Mask R-CNN'}"


def _kind(model: type[BaseModel]) -> str:
    """What tells this block from others in the same place."""
    if model is NetworkControl:
        return "a network that was not trained here"
    field = model.model_fields.get("backend") or model.model_fields.get("of")
    if field is None:
        return ""
    [name] = get_args(field.annotation)
    return kind_of_segmenter({"backend": name, "model": SEMANTIC[0] if model is Semantic else ""})


def _values(model: type[BaseModel], name: str) -> str:
    """What a field may be, in words; empty for a field that is always a block."""
    field = model.model_fields[name]
    annotation: Any = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
    if not _models(field.annotation):
        return _words(TypeAdapter(annotation).json_schema())
    words = [_words(TypeAdapter(each).json_schema()) for each in _without_blocks(field.annotation)]
    return "; or ".join([*words, "a block"]) if words else ""


def _without_blocks(annotation: Any) -> list[Any]:
    """The parts of a union that are no blocks."""
    if get_origin(annotation) is Annotated:
        return _without_blocks(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return [each for part in get_args(annotation) for each in _without_blocks(part)]
    return [] if _models(annotation) else [annotation]


def _words(schema: dict[str, Any]) -> str:
    """A JSON schema in words.

    >>> _words({"type": "integer", "minimum": 1}), _words({"enum": ["a", "b"]})
    ('integer from 1', '`a`, `b`')
    >>> _words({"anyOf": [{"type": "number", "exclusiveMinimum": 0, "maximum": 1}, {"type": "null"}]})
    'number above 0, to 1; or `null`'
    """
    if "anyOf" in schema:
        parts = [_words(each) for each in schema["anyOf"] if each.get("type") != "null"]
        nullable = any(each.get("type") == "null" for each in schema["anyOf"])
        return "; or ".join(parts + ["`null`"] * nullable)
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{each}`" for each in schema.get("enum", [schema.get("const")]))
    kind = schema.get("type", "")
    if kind == "null":
        return "`null`"
    if kind == "array":
        return f"list: {_words(schema['items'])}"
    if kind == "boolean":
        return "`true`, `false`"
    ends = [
        f"{word} {schema[key]:g}"
        for key, word in (("minimum", "from"), ("exclusiveMinimum", "above"), ("maximum", "to"))
        if key in schema and schema[key] < 2**32 - 1
    ]
    ends += [f"below {schema['exclusiveMaximum']:g}"] if schema.get("exclusiveMaximum", 2**32) < 2**32 else []
    ends += [f"a multiple of {schema['multipleOf']}"] if "multipleOf" in schema else []
    return " ".join([{"string": "text", "object": "block"}.get(kind, kind), ", ".join(ends)]).strip()


def _comments(text: str) -> dict[str, str]:
    """What stands behind keys of a YAML file, by dotted key."""
    found: dict[str, str] = {}
    path: list[tuple[int, str]] = []
    for line in text.splitlines():
        match = _LINE.match(line)
        if match is None:
            continue
        indent = len(match[1])
        path = [(depth, name) for depth, name in path if depth < indent] + [(indent, match[2])]
        if match[3]:
            found[".".join(name for _, name in path)] = match[3].strip()
    return found


def _meaning(comments: dict[str, str], key: str) -> str:
    """The first comment that the file has at this key, of whatever data set or control."""
    pattern = re.compile(re.escape(key).replace(re.escape(_BLOCK), "[^.]+"))
    return next((text for at, text in comments.items() if pattern.fullmatch(at)), "")


def _schema_comments(model: type[BaseModel]) -> dict[str, str]:
    """What stands behind the fields of a block's class and of those that it extends."""
    found: dict[str, str] = {}
    for each in reversed(model.__mro__):
        if issubclass(each, BaseModel) and each is not BaseModel:
            found |= _comments(inspect.getsource(each))
    return found


def _readers(text: str) -> dict[str, list[str]]:
    """The parameters that each stage of dvc.yaml reads, in its command and dependencies, too.

    What only the stage of a control reads counts as read by its row's stage "of controls".
    """
    found: dict[str, list[str]] = {}
    for name, stage in read_yaml(text)["stages"].items():
        keys = [each for entry in stage.get("params", []) for each in _listed(entry)]
        keys += re.findall(r"\$\{((?!item)[\w.]+)\}", str({**stage, "params": []}))
        row = name.removesuffix(_OF_CONTROLS)
        if row == name:
            found[name] = keys
        else:  # its row's stage stands before it
            found[f"{row} of controls"] = [key for key in keys if key not in found[row]]
    return found


def _listed(entry: Any) -> list[str]:
    """The keys of an entry of `params`: a key, a list of them, or a file's."""
    if isinstance(entry, str):
        return [entry]
    if isinstance(entry, list):
        return [key for each in entry for key in _listed(each)]
    return [key for keys in entry.values() for key in keys]


def _is_below(key: str, read: str) -> bool:
    """Whether a stage that reads `read` reads this key, too."""
    read = re.sub(r"\$\{[^}]*\}", _BLOCK, read)
    read = re.sub(rf"^{_ROOT}[^.]+", f"{_ROOT}{_BLOCK}", read)  # of a data set that dvc.yaml names
    return key == read or key.startswith(f"{read}.")
