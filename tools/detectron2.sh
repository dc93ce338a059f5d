#!/bin/sh
# Builds detectron2 against the torch of an environment and installs it there. `make detectron2` calls it with .venv.
#
#   PYTHON=.venv/bin/python sh tools/detectron2.sh         # the pinned commit, from GitHub
#   PYTHON=.venv/bin/python sh tools/detectron2.sh DIR     # a checkout on this machine, which stays as it is
#
# detectron2 is on no package index, and its last release is of 2021. Its setup.py imports torch, so pip must not build
# it in an environment of its own; it imports pkg_resources, which setuptools has up to 80. What was built before is
# never used again: it fits one version of torch only.
set -eu

URL=https://github.com/facebookresearch/detectron2.git
COMMIT=02b5c4e295e990042a714712c21dc79b731e8833  # of June 2026
CONFIG=COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_3x.yaml

fail() {
    printf 'detectron2: %s\n' "$*" >&2
    exit 2
}

[ $# -le 1 ] || fail "expected no argument, or the directory of one checkout, got $*"
root=$(cd "$(dirname "$0")/.." && pwd)
PYTHON=${PYTHON:-$root/.venv/bin/python}
[ -x "$PYTHON" ] || fail "expected an environment's python, got $PYTHON, which is none; run \`make setup\` first"
bin=$(cd "$(dirname "$PYTHON")" && pwd)
PYTHON=$bin/$(basename "$PYTHON")

compiler=${CXX:-c++}
command -v "${compiler%% *}" >/dev/null || fail "expected a C++ compiler, found no $compiler; on Debian and Ubuntu" \
    "\`apt-get install g++\`, on macOS \`xcode-select --install\`, or name yours: CXX=..."
"$PYTHON" -c 'import os, sys, sysconfig
sys.exit(not os.path.isfile(os.path.join(sysconfig.get_path("include"), "Python.h")))' ||
    fail "expected Python's headers (Python.h), found none for $PYTHON; on Debian and Ubuntu \`apt-get install python3-dev\`"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
mkdir "$work/source" "$work/wheel"
if [ $# -eq 1 ]; then
    [ -f "$1/setup.py" ] && [ -d "$1/detectron2" ] ||
        fail "SOURCE: expected a checkout of detectron2, with setup.py and detectron2/, got $1"
    # A copy: the build writes into its folder, and objects of an older build would be taken for new ones.
    (cd "$1" && tar -cf - --exclude=./.git --exclude=./build --exclude='*.so' .) | (cd "$work/source" && tar -xf -)
    what=$1
else
    command -v git >/dev/null || fail "expected git, found none; install it, or give a checkout: SOURCE=DIR"
    git init -q "$work/source"
    git -C "$work/source" fetch -q --depth 1 "$URL" "$COMMIT" || fail "expected git to fetch commit $COMMIT of $URL," \
        "which it could not; clone it where there is a network, and then \`make detectron2 SOURCE=DIR\`"
    git -C "$work/source" checkout -q FETCH_HEAD
    what="commit $COMMIT"
fi

"$PYTHON" -m pip install --quiet 'setuptools>=77.0.3,<81' wheel ninja ||
    fail "expected pip to install setuptools<81, wheel and ninja, which it could not (above)"
printf 'detectron2: builds %s, which takes some minutes\n' "$what"
PATH=$bin:$PATH "$PYTHON" -m pip wheel --quiet --no-cache-dir --no-deps --no-build-isolation --wheel-dir "$work/wheel" \
    "$work/source" ||
    fail "expected the build to succeed, it failed (above). Short of memory: MAX_JOBS=1. On a machine with a GPU it takes" \
        "nvcc of torch's own CUDA version; without a GPU's kernels, which only deformable convolutions need:" \
        "CUDA_VISIBLE_DEVICES= make detectron2"
# What it needs beside what we have pinned, then the library itself, even over one of the same version.
"$PYTHON" -m pip install --quiet --requirement "$root/requirements.txt" "$work"/wheel/*.whl ||
    fail "expected pip to install what detectron2 needs, which it could not (above)"
"$PYTHON" -m pip install --quiet --force-reinstall --no-deps "$work"/wheel/*.whl
(cd "$work" && "$PYTHON" -c "import torch, detectron2
from detectron2 import _C, model_zoo
model_zoo.get_config('$CONFIG')
print(f'detectron2 {detectron2.__version__} can be imported, built against torch {torch.__version__}')") ||
    fail "expected it to be imported, which it could not (above)"
printf 'after an update of torch: make detectron2 again\n'
