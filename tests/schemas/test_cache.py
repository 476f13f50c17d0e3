from __future__ import annotations

from pathlib import Path

from siftset.schemas.cache import cache_folder


def test_the_user_chooses_the_folder(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.delenv("SIFTSET_CACHE", raising=False)
    assert cache_folder() == tmp_path / "xdg/siftset"
    monkeypatch.setenv("SIFTSET_CACHE", str(tmp_path / "own"))
    assert cache_folder("models", "x") == tmp_path / "own/models/x"
    assert (tmp_path / "own/models/x").is_dir()


def test_without_settings_it_is_under_home(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SIFTSET_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache_folder("a") == tmp_path / ".cache/siftset/a"
