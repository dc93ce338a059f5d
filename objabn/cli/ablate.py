"""`python -m objabn ablate`: controls, audits, readings of PC and maps that matter, over seeds, on the embedded data.

Each is an experiment of DVC's in a temporary directory, so params.yaml and the workspace stay as they are; what has
been computed before comes from DVC's cache, and an interrupted one goes on. Takes hours on two CPU cores.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from objabn.cli.dvc import environment
from objabn.config.file import add_overrides, last_of_each_key, load_params
from objabn.system.cache import Cache
from objabn.system.files import write_bytes

FOLDER = Path("ablations")
# Stage -> the tables that it makes. The audits' only where a run has audits.
TARGETS = {
    "compare@synthetic": tuple(f"synthetic.{suffix}" for suffix in ("md", "csv", "tex", "png")),
    "audits@synthetic-rows": tuple(f"synthetic-audits.{suffix}" for suffix in ("md", "csv", "png")),
}
_NO_AUDITS = "table.audits=[]"
_ALWAYS = (
    "dataset=synthetic",
    "loss.attention=abn",
    "loss.pc=false",
    "table.attention=[abn,mask,mha]",
    "table.pc=[false]",
    "table.seeds=[0,1,2]",
    "table.audits=[rows]",
)
# Name of a run -> what it sets besides. biased: in nine training videos of ten the background is the action's own kind;
# test videos show any, so that a row which learnt the background does not profit from it. pc: what the text of the PC
# loss leaves open, each on `mask`. maps: what may make the network need its map.
RUNS = {
    "controls": ("table.controls=[plain,shifted-masks,other-masks,shuffled-labels,mha-default,mask-area,mask-max]",),
    "biased": (
        "table.controls=[plain]",
        "datasets.synthetic.synthesize.bias=0.9",
        "datasets.synthetic.synthesize.test_bias=0.0",
    ),
    "pc": (
        "table.controls=[pc-max,pc-flatten,pc-apart,pc-squared,pc-two,pc-released,pc-strong,pc-released-strong]",
        "table.pc=[false,true]",
        _NO_AUDITS,
    ),
    "maps": (
        "table.controls=[abn-even,mask-even-weak,mask-even,mask-even-strong,mha-even-weak,mha-even,mha-even-strong,"
        "mha-object,mha-object-even,mha-no-bias,mask-residual,mask-energy,mha-energy]",
        _NO_AUDITS,
    ),
}


DEFAULT = ("controls", "biased")


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `ablate` with a parser's subcommands; `args.run(args)` returns an exit status or raises ValueError."""
    parser = subparsers.add_parser(
        "ablate",
        description="Runs experiments of DVC's in temporary directories and copies their tables to ablations/<name>/. "
        "The workspace stays as it is.",
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"which of {', '.join(RUNS)} (default: {', '.join(DEFAULT)})"
    )
    add_overrides(parser, "after what a run sets itself")
    parser.set_defaults(run=run)


def settings(name: str, given: list[str]) -> list[str]:
    """`KEY=VALUE` of a run, each key once: the last one of its own and the given ones."""
    return last_of_each_key([*_ALWAYS, *RUNS[name], *given])


def run(args: argparse.Namespace) -> int:
    """Run the experiments one after another and copy their tables; 0, or DVC's exit status when one fails.

    Raises:
        ValueError: an unknown name, or parameters at fault.
    """
    names = args.names or list(DEFAULT)
    if unknown := [name for name in names if name not in RUNS]:
        raise ValueError(f"ablate: expected {', '.join(RUNS)}, got {', '.join(unknown)}")
    for name in names:
        load_params(overrides=settings(name, args.set_param))  # before anything is computed
    for name in names:
        experiment = f"ablate-{name}"
        changes = settings(name, args.set_param)
        targets = [target for target in TARGETS if not (target.startswith("audits") and _NO_AUDITS in changes)]
        if status := _dvc_run(experiment, targets, changes):
            return status
        for table in _copy_tables(
            experiment, [table for target in targets for table in TARGETS[target]], FOLDER / name
        ):
            print(table)
    return 0


def _dvc_run(experiment: str, targets: list[str], changes: list[str]) -> int:
    """Run the pipeline as an experiment of this name, in place of an earlier one; DVC's exit status."""
    dvc = [sys.executable, "-m", "dvc", "exp"]
    subprocess.run([*dvc, "remove", "--quiet", experiment], capture_output=True)  # there may be none
    command = [*dvc, "run", "--temp", "--name", experiment, *targets]
    for change in changes:
        command += ["-S", change]
    # Their side cache is this checkout's: a temporary directory would have its own.
    return subprocess.run(command, env={**environment(), "OBJABN_CACHE": str(Cache().root.absolute())}).returncode


def _copy_tables(experiment: str, tables: list[str], folder: Path) -> list[Path]:
    """Write the tables that an experiment's commit holds into a folder."""
    pattern = f"refs/exps/*/*/{experiment}"
    listed = subprocess.run(
        ["git", "for-each-ref", "--sort=-committerdate", "--format=%(refname)", pattern],
        check=True,
        capture_output=True,
        text=True,
    )
    references = listed.stdout.split()  # the newest first: there may be others, of other commits
    if not references:
        raise ValueError(f"{experiment}: expected an experiment of this name after DVC ran it, found none")
    folder.mkdir(parents=True, exist_ok=True)
    for name in tables:
        shown = subprocess.run(["git", "show", f"{references[0]}:tables/{name}"], check=True, capture_output=True)
        write_bytes(folder / name, shown.stdout)
    return [folder / name for name in tables]
