from pathlib import Path

import pytest

from ncore.data.v4 import replace_directory as module
from ncore.data.v4.replace_directory import replace_directory


def directory(path: Path, content: str) -> Path:
    path.mkdir()
    (path / "file").write_text(content)
    return path


@pytest.mark.parametrize("exchange", [True, False])
def test_replaces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exchange: bool) -> None:
    if not exchange:
        monkeypatch.setattr(module, "_exchange", lambda a, b: False)
    place = tmp_path / "place"
    assert replace_directory(directory(tmp_path / "a", "first"), place) is None
    assert (place / "file").read_text() == "first"
    old = replace_directory(directory(tmp_path / "b", "second"), place)
    assert old is not None
    assert (place / "file").read_text() == "second"
    assert (old / "file").read_text() == "first"
    assert sorted(tmp_path.iterdir()) == sorted([place, old])


def test_a_failure_puts_the_old_one_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_exchange", lambda a, b: False)
    place = directory(tmp_path / "place", "first")
    with pytest.raises(FileNotFoundError):
        replace_directory(tmp_path / "missing", place)
    assert (place / "file").read_text() == "first"
