"""`python -m objabn pretrain backbone|segmenter`: train the embedded data's own pretrained weights.

python -m objabn pretrain backbone --steps 1700 --seed 0 --out FILE     # the same again after a kill
python -m objabn pretrain backbone --backbone my.py:backbone --steps 1700 --seed 0 --out FILE
"""

import argparse
import json
from pathlib import Path
from typing import Any

from objabn.config.file import load_params
from objabn.config.schema import X3D

# part -> what it is, least and default batch size, default peak learning rate
PARTS: dict[str, tuple[str, int, int, float]] = {
    "backbone": ("X3D, or another backbone, on synthetic clips of other actions", 2, 16, 5e-3),
    "segmenter": ("Mask R-CNN on synthetic frames of other actions", 1, 8, 2e-3),
}


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `pretrain` with a parser's subcommands; `args.run(args)` returns 0 or raises ValueError."""
    pretrain = subparsers.add_parser("pretrain")
    parts = pretrain.add_subparsers(dest="part", required=True)
    for part, (what, _, batch_size, lr) in PARTS.items():
        parser = parts.add_parser(part, help=what)
        parser.set_defaults(run=run)
        add = parser.add_argument
        add("--steps", type=int, required=True, help="of the optimiser, the whole schedule")
        add("--seed", type=int, required=True)
        add("--out", type=Path, required=True, help="weights to write; their recipe stands beside them (.json)")
        add("--batch-size", type=int, default=batch_size, help=f"(default: {batch_size})")
        add("--lr", type=float, default=lr, help=f"peak learning rate (default: {lr:g})")
        add("--workers", type=int, default=1, help="processes that render (default: 1)")
        add("--dataset", default="synthetic", help="its block in params.yaml (default: synthetic)")
        if part == "backbone":
            add("--backbone", default=X3D, help=f"as model.backbone in params.yaml (default: {X3D})")


def run(args: argparse.Namespace) -> int:
    """Train one part and print its recipe; 0. Raises: ValueError for an option out of range."""
    for name, least in (("steps", 1), ("seed", 0), ("batch_size", PARTS[args.part][1]), ("workers", 0)):
        if getattr(args, name) < least:
            raise ValueError(f"--{name.replace('_', '-')}: expected at least {least}, got {getattr(args, name)}")
    if not 0 < args.lr < float("inf"):
        raise ValueError(f"--lr: expected a number above 0, got {args.lr}")
    if args.out.suffix in ("", ".json"):
        raise ValueError(f"--out: expected a file with a suffix other than .json, got {args.out}")
    datasets = load_params().datasets
    if args.dataset not in datasets:
        raise ValueError(f"--dataset: expected one of {', '.join(sorted(datasets))}, got {args.dataset!r}")
    names = ("steps", "seed", "batch_size", "lr", "workers")
    settings: dict[str, Any] = {name: getattr(args, name) for name in names}
    if args.part == "backbone":
        from objabn.pretrain.backbone import pretrain_backbone

        recipe = pretrain_backbone(datasets[args.dataset], args.out, backbone=args.backbone, **settings)
    else:
        from objabn.pretrain.segmenter import pretrain_segmenter

        recipe = pretrain_segmenter(datasets[args.dataset], args.out, **settings)
    print(json.dumps(recipe, indent=2))
    return 0
