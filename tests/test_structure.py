"""The rules of the house: dvc.yaml names the packages that stages use, imports go one way, an equation stands once."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest
import yaml

from objabn.config.file import load_params
from objabn.config.schema import Dataset
from objabn.config.segmenters import Torchvision
from objabn.report.page.page import shown_parameters

ROOT = Path(__file__).parents[1]
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
PRODUCT = sorted([*ROOT.glob("objabn/**/*.py"), *ROOT.glob("stages/*.py")])
# They hold no computation: parameters are tracked by value, the rest parses arguments, names paths or shows progress.
EXEMPT = ("objabn/__init__.py", "objabn/config/", "objabn/progress.py", "stages/paths.py", "stages/arguments.py",
          "stages/code.py", "stages/entry.py")  # fmt: skip
# Looks for what later stages need, and lets a stage go on or stops it; no output holds anything of it, so no stage is
# stale when it changes. What it imports is not followed either.
CHECKS = "objabn/preflight/"
# Files of the embedded data that params.yaml names.
ASSETS = {"objabn/assets/figures_rcnn.pth", "objabn/assets/x3d_figures.pyth"}
# Stages that cost hours: a folder among their dependencies may hold only what they use, and these files.
EXPENSIVE = ("segment", "train", "train-control", "evaluate", "evaluate-control")
UNUSED = {
    "objabn/video/write.py": EXPENSIVE,
    "objabn/system/cache.py": ("evaluate", "evaluate-control"),
    "objabn/evaluation/passes.py": ("evaluate", "evaluate-control"),  # of audits and tables
    "objabn/system/workers.py": ("train", "train-control", "evaluate", "evaluate-control"),
}
# Packages from the first floor up: a package imports those of lower floors, and of its own floor none.
FLOORS = (
    ("config", "system", "statistics"),
    ("video",),
    ("stores",),
    ("model", "index"),
    ("clips", "segmentation", "decoding", "synthetic"),
    ("training", "evaluation", "truth"),
    ("audits", "report", "networks"),
    ("explanation", "plan", "pretrain", "measures", "sharing"),
    ("preflight", "demo", "export"),
    ("cli",),
)


def module_file(name: str) -> str | None:
    """Path of one of our modules from its dotted name; None for other people's."""
    path = ROOT / name.replace(".", "/")
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate.relative_to(ROOT).as_posix()
    return None


@cache
def imported(path: str) -> set[str]:
    """Files of ours that a file imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {file for name in names if name.split(".")[0] in ("objabn", "stages") and (file := module_file(name))}


@cache
def closure(path: str) -> set[str]:
    """Files of ours that a file imports, directly or not, without checks and those that hold no computation."""
    reached: set[str] = set()
    todo = {path}
    while todo:
        file = todo.pop()
        reached.add(file)
        todo |= {other for other in imported(file) if not other.startswith(CHECKS)} - reached
    return {file for file in reached if not file.startswith(EXEMPT) and not file.endswith("__init__.py")}


def tracked(stage: str) -> set[str]:
    """Keys of params.yaml that a stage depends on."""
    params = STAGES[stage].get("params", [])
    nested = [key for entry in params if isinstance(entry, dict) for key in entry["params.yaml"]]
    return {*nested, *(entry for entry in params if isinstance(entry, str))}


def code(stage: str) -> set[str]:
    """Folders and files of code that a stage depends on."""
    return {dep for dep in STAGES[stage]["deps"] if dep.startswith(("objabn/", "stages/"))} - ASSETS


def files_below(dep: str) -> set[str]:
    """Modules of a folder, or the file itself."""
    path = ROOT / dep
    files = path.rglob("*.py") if path.is_dir() else [path]
    return {file.relative_to(ROOT).as_posix() for file in files if file.name != "__init__.py"}


def stage_file(stage: str) -> str:
    """The file that a stage's command runs."""
    match = re.match(r"python -m stages\.(\w+)(?: |$)", STAGES[stage]["cmd"])
    assert match, STAGES[stage]["cmd"]
    return f"stages/{match[1]}.py"


def stages_with(path: str) -> set[str]:
    """Stages that an edit of a file makes stale by code; a control's counts as its row's."""
    return {name.removesuffix("-control") for name in STAGES if any(path in files_below(dep) for dep in code(name))}


@pytest.mark.parametrize("stage", STAGES)
def test_what_a_stage_uses_is_among_its_deps(stage: str) -> None:
    inside = {file for dep in code(stage) for file in files_below(dep)}
    assert closure(stage_file(stage)) <= inside
    assert all((ROOT / dep).exists() for dep in code(stage))


@pytest.mark.parametrize("stage", EXPENSIVE)
def test_a_folder_of_an_expensive_stage_holds_only_what_it_uses(stage: str) -> None:
    inside = {file for dep in code(stage) for file in files_below(dep)}
    assert inside - closure(stage_file(stage)) == {file for file, stages in UNUSED.items() if stage in stages}


@pytest.mark.parametrize("stage", STAGES)
def test_every_dep_is_used(stage: str) -> None:
    for dep in code(stage):
        assert files_below(dep) & closure(stage_file(stage)), dep


def test_only_the_first_stages_check_and_keep_nothing_of_it() -> None:
    """`stop_unless_ready` returns nothing, so that what it finds cannot get into an output."""
    users = {path.stem for path in ROOT.glob("stages/*.py") if "objabn.preflight" in path.read_text()}
    assert users == {"synthesize", "decode"}
    for name in users:
        lines = (ROOT / f"stages/{name}.py").read_text().splitlines()
        used = [line.strip() for line in lines if "preflight" in line or "stop_unless_ready" in line]
        assert used == [
            "from objabn.preflight.check import stop_unless_ready",
            f'stop_unless_ready(arguments.dataset, params, "{name}")',
        ]


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_runs_its_own_file(stage: str) -> None:
    assert stage_file(stage) == f"stages/{stage.removesuffix('-control')}.py"


@pytest.mark.parametrize(
    ("path", "stages"),
    [
        ("training/losses.py", {"train"}),
        ("training/wrong_masks.py", {"train"}),
        ("training/trackers.py", {"train"}),
        ("evaluation/metrics.py", {"evaluate", "audit", "study", "compare", "audits"}),
        ("evaluation/localisation.py", {"evaluate", "audit", "study", "compare", "audits"}),
        ("clips/geometry.py", {"train", "evaluate", "audit", "compare"}),
        ("segmentation/segment.py", {"segment"}),
        ("segmentation/segmenters/rcnn.py", {"segment"}),
        ("segmentation/quality.py", {"segment", "compare"}),
        ("segmentation/moving.py", {"segment", "train"}),
        ("segmentation/titles.py", {"segment", "compare"}),
        ("index/table.py", {"synthesize", "decode"}),
        ("model/network.py", {"train", "evaluate", "audit"}),
        ("decoding/decode.py", {"decode"}),
        ("synthetic/figures.py", {"synthesize"}),
        ("audits/backgrounds.py", {"audit"}),
        ("report/colours.py", {"study", "compare", "audits"}),
        ("report/page/page.py", {"study", "compare", "audits"}),
        ("system/files.py", set(STAGES) - {"train-control", "evaluate-control", "audit-control"}),
        ("explanation/explain.py", set()),
        ("measures/arrays.py", set()),
        ("sharing/card.py", set()),
        ("networks/adapter.py", {"networks"}),
        ("plan/costs.py", set()),
        ("preflight/check.py", set()),
        ("pretrain/backbone.py", set()),
        ("cli/plan.py", set()),
        ("config/schema.py", set()),
        ("index/ssv2.py", set()),
        ("progress.py", set()),
    ],
)
def test_an_edit_makes_only_these_stages_stale(path: str, stages: set[str]) -> None:
    assert (ROOT / "objabn" / path).is_file()
    assert stages_with(f"objabn/{path}") == stages


def test_the_embedded_profiles_weights_are_deps(synthetic: Dataset) -> None:
    assert isinstance(synthetic.segment, Torchvision)
    users = {asset: {name for name in STAGES if asset in STAGES[name]["deps"]} for asset in ASSETS}
    trains = {"train", "train-control"}
    assert users == {synthetic.model.pretrained: trains, synthetic.segment.weights: {"segment"}}


@pytest.mark.parametrize("name", ["synthetic", "ucf101"])
def test_every_parameter_that_the_report_shows_is_tracked(name: str) -> None:
    """But for those of the synthesis, which other data sets lack; the frames depend on them."""
    dataset = load_params(ROOT / "params.yaml").datasets[name]
    prefix = "datasets.${item.ds}."
    keys = {key.removeprefix(prefix) for key in tracked("compare") if key.startswith(prefix)}
    shown = shown_parameters(dataset)
    assert shown.pop("synthesize") if name == "synthetic" else "synthesize" not in shown
    assert set(shown) == keys


@pytest.mark.parametrize("stage", STAGES)
def test_no_stage_depends_on_how_the_machine_is_used(stage: str) -> None:
    assert not {key for key in tracked(stage) if "machine" in key}


@pytest.mark.parametrize("stage", ["train", "evaluate", "audit"])
def test_a_control_depends_on_its_own_definition_besides(stage: str) -> None:
    read = {"datasets.${item.ds}.truth"}  # true masks may be what a control is trained with; evaluation scores by them
    assert tracked(f"{stage}-control") == tracked(stage) | {"controls.${item.control}"} | read
    assert not any(key.startswith("controls") for key in tracked(stage))


def test_the_colours_of_maps_re_run_pictures_alone() -> None:
    stages = {name for name in STAGES if tracked(name) & {"table", "table.colours"}}
    assert stages == {"compare", "audits"}


def test_audits_are_no_stage_unless_the_table_asks_for_them() -> None:
    asked = {name for name, stage in STAGES.items() if stage.get("matrix", {}).get("of") == "${table.audits}"}
    assert asked == {"audit", "audit-control", "audits"}


def test_imports_go_down_the_floors() -> None:
    floor_of = {package: floor for floor, packages in enumerate(FLOORS) for package in packages}
    folders = {path.parent.name for path in ROOT.glob("objabn/*/__init__.py")}
    assert set(floor_of) == folders
    for path in ROOT.glob("objabn/*/**/*.py"):
        name = path.relative_to(ROOT).as_posix()
        package = name.split("/")[1]
        for other in imported(name):
            assert not other.startswith("stages/"), name
            if other.count("/") > 1 and (theirs := other.split("/")[1]) != package:
                assert floor_of[theirs] < floor_of[package], f"{name} imports {other}"


def test_networks_are_reached_by_name_from_two_files() -> None:
    """Else an edit of an adapter would re-run the rows of X3D; what is reached so stands in the notes of `networks`."""
    users = {path.relative_to(ROOT).as_posix() for path in PRODUCT if '"objabn.networks.' in path.read_text()}
    assert users - {"objabn/__init__.py"} == {"objabn/model/adopted.py", "objabn/model/run.py"}  # the rest as it offers
    for stage in STAGES:
        reached = {file for file in closure(stage_file(stage)) if file.startswith("objabn/networks/")}
        assert (stage == "networks") == bool(reached)


def test_no_module_imports_itself_in_a_circle() -> None:
    for path in PRODUCT:
        name = path.relative_to(ROOT).as_posix()
        for other in imported(name) - {name}:
            assert name not in closure(other), f"{name} <-> {other}"


def test_a_packages_init_is_one_docstring() -> None:
    for path in [*ROOT.glob("objabn/*/**/__init__.py"), ROOT / "stages/__init__.py"]:
        body = ast.parse(path.read_text()).body
        assert len(body) == 1, path
        assert isinstance(body[0], ast.Expr), path


def test_the_house_has_no_loose_files() -> None:
    entries = {path.name for path in (ROOT / "objabn").iterdir() if path.name != "__pycache__"}
    assert {name for name in entries if name.endswith(".py")} == {"__init__.py", "__main__.py", "progress.py"}
    assert len(entries) <= 30


def test_tests_mirror_the_folders() -> None:
    folders = {path.parent.relative_to(ROOT / "tests").as_posix() for path in ROOT.glob("tests/**/test_*.py")}
    rooms = {path.parent.relative_to(ROOT / "objabn").as_posix() for path in ROOT.glob("objabn/**/__init__.py")}
    assert folders <= rooms | {"stages", "pipeline", "benchmarks", "docs"}


def test_no_test_imports_another_test_file() -> None:
    for path in ROOT.glob("tests/**/*.py"):
        others = re.findall(r"^\s*(?:from|import) (tests\.\S+)", path.read_text(), re.MULTILINE)
        assert all(other.startswith("tests.helpers") for other in others), path


@pytest.mark.parametrize(
    ("library", "module"),
    [
        ("decord", "video/libraries"),
        ("av", "video/libraries"),
        ("zarr", "stores/layout"),
        ("pytorchvideo", "model/x3d"),
    ],
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


def lengths(pattern: str) -> dict[str, int]:
    return {path.relative_to(ROOT).as_posix(): len(path.read_text().splitlines()) for path in ROOT.glob(pattern)}


def test_files_keep_their_length() -> None:
    assert not {name: lines for name, lines in lengths("objabn/**/*.py").items() if lines > 300}
    assert not {name: lines for name, lines in lengths("stages/*.py").items() if lines > 75}
    assert lengths("dvc.yaml")["dvc.yaml"] <= 410
    assert lengths("CONTRIBUTING.md")["CONTRIBUTING.md"] <= 80
    assert sum(lengths("objabn/plan/*.py").values()) <= 865  # measuring takes 500, computing for other cards 330
