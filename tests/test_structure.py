"""The rules of the layout: dvc.yaml names what stages use, imports go one way, each equation stands in one function."""

import ast
import re
from pathlib import Path

import pytest
import yaml

from objabn.config.file import load_params
from objabn.config.schema import Dataset, Torchvision, Train
from objabn.report.page.page import shown_parameters

ROOT = Path(__file__).parents[1]
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
# They hold no computation: parameters are tracked by value, the rest parses arguments and names paths.
EXEMPT = {
    "objabn/__init__.py",
    "objabn/config/file.py",
    "objabn/config/schema.py",
    "objabn/progress.py",
    "objabn/config/yaml12.py",
    "stages/paths.py",
    "stages/arguments.py",
}
ASSETS = {"objabn/assets/figures_rcnn.pth", "objabn/assets/x3d_figures.pyth"}  # weights that params.yaml names
TEMPLATES = "objabn/report/page/templates"  # of the report
TRAIN, EVALUATE = {"train", "train-control"}, {"evaluate", "evaluate-control"}  # stages of one file each
AUDIT = {"audit", "audit-control"}
PACKAGES = {"objabn/segmentation/segmenters/choice.py"}
PRODUCT = sorted([*ROOT.glob("objabn/**/*.py"), *ROOT.glob("stages/*.py")])


def module_file(name: str) -> str | None:
    """Path of one of our modules from its dotted name; None for other people's."""
    path = ROOT / name.replace(".", "/")
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate.relative_to(ROOT).as_posix()
    return None


def imported(path: str) -> set[str]:
    """Files of ours that a file imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {file for name in names if name.split(".")[0] in ("objabn", "stages") and (file := module_file(name))}


def closure(path: str) -> set[str]:
    """Files of ours that a file imports, directly or not."""
    found: set[str] = set()
    todo = {path}
    while todo:
        file = todo.pop()
        found.add(file)
        todo |= imported(file) - found
    return found


def definition(stage: str) -> dict:
    return STAGES[stage]


def tracked(stage: str) -> set[str]:
    """Keys of params.yaml that a stage depends on."""
    params = definition(stage).get("params", [])
    nested = [key for each in params if isinstance(each, dict) for key in each["params.yaml"]]
    return {*nested, *(each for each in params if isinstance(each, str))}


def stage_file(stage: str) -> str:
    """The file that a stage's command runs."""
    found = re.match(r"python -m stages\.(\w+)(?: |$)", definition(stage)["cmd"])
    assert found, definition(stage)["cmd"]
    return f"stages/{found[1]}.py"


@pytest.mark.parametrize("stage", STAGES)
def test_deps_of_a_stage_are_its_modules(stage: str) -> None:
    own = {dep for dep in definition(stage)["deps"] if dep.startswith(("objabn/", "stages/"))}
    deps = own - ASSETS - {TEMPLATES}
    used = closure(stage_file(stage)) - EXEMPT
    packages = {dep for dep in deps if not dep.endswith(".py")}
    used = {next((each for each in packages if file.startswith(f"{each}/")), file) for file in used}
    assert deps == used


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_runs_its_own_file(stage: str) -> None:
    assert stage_file(stage) == f"stages/{stage.removesuffix('-control')}.py"


def test_the_embedded_profiles_weights_are_deps(synthetic: Dataset) -> None:
    assert isinstance(synthetic.segment, Torchvision)
    users = {asset: {name for name in STAGES if asset in definition(name)["deps"]} for asset in ASSETS}
    assert users == {synthetic.model.pretrained: TRAIN, synthetic.segment.weights: {"segment"}}


def test_the_reports_templates_are_deps_of_what_renders_them() -> None:
    assert {name for name in STAGES if TEMPLATES in definition(name)["deps"]} == {"compare"}


@pytest.mark.parametrize("name", ["synthetic", "ucf101"])
def test_every_parameter_that_the_report_shows_is_tracked(name: str) -> None:
    """But for those of the synthesis, which other data sets lack; the frames depend on them."""
    dataset = load_params(ROOT / "params.yaml").datasets[name]
    prefix = "datasets.${item.ds}."
    own = {key.removeprefix(prefix) for key in tracked("compare") if key.startswith(prefix)}
    shown = shown_parameters(dataset)
    assert shown.pop("synthesize") if name == "synthetic" else "synthesize" not in shown
    blocks = {key for key in own if "." not in key}
    assert set(shown) == blocks | {"decode", "train"}
    for block in ("decode", "train"):
        assert {f"{block}.{key}" for key in shown[block]} == {key for key in own if key.startswith(f"{block}.")}


@pytest.mark.parametrize("stage", sorted(TRAIN))
def test_all_that_changes_the_weights_is_tracked(stage: str) -> None:
    prefix = "datasets.${item.ds}.train."
    own = {name.removeprefix(prefix) for name in tracked(stage) if name.startswith(prefix)}
    assert own == set(Train.model_fields) - {"workers", "checkpoint_minutes"}
    assert {f"datasets.${{item.ds}}.{block}" for block in ("data", "mask", "model", "weights")} < tracked(stage)


@pytest.mark.parametrize("stage", ["train", "evaluate", "audit"])
def test_a_control_depends_on_its_own_definition_besides(stage: str) -> None:
    assert tracked(f"{stage}-control") == tracked(stage) | {"controls.${item.control}"}
    assert not any(key.startswith("controls") for key in tracked(stage))


def test_audits_are_no_stage_unless_the_table_asks_for_them() -> None:
    asked = {name for name, stage in STAGES.items() if stage.get("matrix", {}).get("of") == "${table.audits}"}
    assert asked == AUDIT | {"audits"}


@pytest.mark.parametrize(
    ("module", "stages"),
    [
        ("losses", TRAIN | EVALUATE | AUDIT),
        ("schedules", TRAIN | EVALUATE | AUDIT),
        ("metrics", EVALUATE | AUDIT | {"study"}),
        ("wrong_masks", TRAIN),
        ("deletion", AUDIT),
        ("localisation", EVALUATE),
        ("gradcam", EVALUATE),
        ("geometry", TRAIN | EVALUATE | AUDIT | {"compare"}),
        ("segmentation", {"segment"}),
        ("report", {"compare"}),
        ("intervals", {"compare", "study"}),
        ("story", {"compare"}),
        ("html_report", {"compare"}),
        ("training_notes", EVALUATE),
        ("audit_report", {"audits"}),
    ],
)
def test_an_edit_reruns_only_these_stages(module: str, stages: set[str]) -> None:
    assert {name for name in STAGES if f"objabn/{module}.py" in definition(name)["deps"]} == stages


LEAVES = (
    "yaml12", "masks", "metrics", "probing", "stores", "workers", "layers", "losses", "geometry", "files", "progress",
    "schedules", "intervals", "missing", "memory", "collectives", "gradcam",
)  # fmt: skip


@pytest.mark.parametrize("leaf", LEAVES)
def test_leaves_import_none_of_ours_but_params(leaf: str) -> None:
    assert imported(f"objabn/{leaf}.py") <= {"objabn/config/schema.py"}


def test_the_network_imports_its_layers_and_nothing_else() -> None:
    assert imported("objabn/model/network.py") == {"objabn/config/schema.py", "objabn/model/fast_layers.py"}


def test_the_library_does_not_import_stages_and_has_no_cycle() -> None:
    for path in PRODUCT:
        name = path.relative_to(ROOT).as_posix()
        if name.startswith("objabn/"):
            assert not any(each.startswith("stages/") for each in imported(name)), name
        for other in imported(name) - {name}:
            if not {name, other} & PACKAGES:  # a package's modules may use what the package defines
                assert name not in closure(other), f"{name} <-> {other}"


@pytest.mark.parametrize(
    ("library", "module"),
    [("decord", "probing"), ("av", "probing"), ("zarr", "stores"), ("pytorchvideo", "model")],
)
def test_libraries_with_one_door(library: str, module: str) -> None:
    pattern = re.compile(rf"^\s*(?:import|from) {library}\b", re.MULTILINE)
    users = {path.relative_to(ROOT).as_posix() for path in PRODUCT if pattern.search(path.read_text())}
    assert users == {f"objabn/{module}.py"}


@pytest.mark.parametrize("number", range(1, 12))
def test_each_equation_of_the_paper_stands_in_one_function(number: int) -> None:
    functions = [
        f"{path.stem}.{node.name}"
        for path in PRODUCT
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and f"Eq. ({number})" in (ast.get_docstring(node) or "")
    ]
    assert len(functions) == 1, functions
    assert sum(path.read_text().count(f"Eq. ({number})") for path in PRODUCT) == 1


def test_no_module_is_much_longer_than_the_rule() -> None:
    long = {path.name: lines for path in PRODUCT if (lines := len(path.read_text().splitlines())) > 320}
    assert not long


def test_stages_are_thin() -> None:
    long = {path.name: lines for path in ROOT.glob("stages/*.py") if (lines := len(path.read_text().splitlines())) > 75}
    assert not long
