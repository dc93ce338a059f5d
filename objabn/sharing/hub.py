"""Upload a folder to the Hugging Face Hub: one call of its library, the extra `hub`."""

import importlib.util
import re
from pathlib import Path

_NAME = re.compile(r"[\w.-]+/[\w.-]+")
_LIBRARY = "huggingface_hub"


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

    A repository that is not there is made, private.

    Raises:
        ValueError: the upload failed; the line says why.
    """
    from huggingface_hub import HfApi

    try:
        hub = HfApi()
        hub.create_repo(name, private=True, exist_ok=True)
        hub.upload_folder(repo_id=name, folder_path=folder, commit_message="objabn push")
    except Exception as error:  # of the library, of the network, of the account
        reason = " ".join(str(error).split())[:300]
        raise ValueError(f"push: --hub {name}: {reason or type(error).__name__}; {folder} is there") from error
    return f"https://huggingface.co/{name}"
