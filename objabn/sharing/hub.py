"""Upload a folder to the Hugging Face Hub: one call of its library, the extra `hub`."""

import importlib.util
import re
from pathlib import Path

from objabn.model.run import CURVES, RUN, WEIGHTS
from objabn.sharing.card import CARD, is_unchanged

_NAME = re.compile(r"[\w.-]+/[\w.-]+")
_LIBRARY = "huggingface_hub"
_REPLACED = ("seed-*/**", "fold-*/**", WEIGHTS, RUN, CURVES)  # what a push may have put there


def check_hub(name: str) -> None:
    """Check the name of a repository, and that the library is installed.

    The network is not asked.

    Args:
        name: "user/name".

    Raises:
        ValueError: another text, or no such library.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"push: --hub: expected user/name, got {name!r}")
    if importlib.util.find_spec(_LIBRARY) is None:
        todo = "`pip install -r requirements-hub.txt`, or `pip install '.[hub]'`"
        raise ValueError(f"push: --hub: expected {_LIBRARY} to be installed, found no such package; {todo}")


def upload(folder: Path, name: str) -> str:
    """Upload a folder, and return the address of the repository.

    A repository that is not there is made, private. What an earlier push has put there is replaced.

    Raises:
        ValueError: the upload failed, or the repository has a README.md that push has not written; the line says why.
    """
    from huggingface_hub import HfApi

    try:
        hub = HfApi()
        if hub.file_exists(name, CARD) and not is_unchanged(_text(hub.hf_hub_download(name, CARD))):
            raise ValueError(
                f"expected a repository of push, found a {CARD} that it has not written; take another name"
            )
        hub.create_repo(name, private=True, exist_ok=True)
        hub.upload_folder(
            repo_id=name, folder_path=folder, commit_message="objabn push", delete_patterns=list(_REPLACED)
        )
    except Exception as error:  # of the library, of the network, of the account
        reason = " ".join(str(error).split())[:300]
        raise ValueError(f"push: --hub {name}: {reason or type(error).__name__}; {folder} is there") from error
    return f"https://huggingface.co/{name}"


def _text(path: str) -> str:
    return Path(path).read_text(encoding="utf-8", errors="replace")
