"""What replaces a file has its access list and extended attributes."""

import os
import stat
import struct
from pathlib import Path

import pytest

from ncore.itar.permissions import inherit_permissions

ACL = "system.posix_acl_access"
USER_OBJ, USER, GROUP_OBJ, MASK, OTHER = 1, 2, 4, 0x10, 0x20


def access_list(user: int, mask: int) -> bytes:
    """Owner may read and write, one user and the group may read, others nothing."""
    nobody = 0xFFFFFFFF
    entries = [
        (USER_OBJ, 6, nobody),
        (USER, 4, user),
        (GROUP_OBJ, 4, nobody),
        (MASK, mask, nobody),
        (OTHER, 0, nobody),
    ]
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_bytes(b"old")
    new.write_bytes(b"new")
    if not hasattr(os, "setxattr"):
        pytest.skip("this system has no extended attributes")
    try:
        os.setxattr(old, ACL, access_list(12345, 4))
        os.setxattr(old, "user.origin", b"bus 7")
    except OSError as error:
        pytest.skip(f"this file system has no extended attributes: {error}")
    return old, new


def test_attributes_and_access_list_are_kept(two: tuple[Path, Path]) -> None:
    old, new = two
    inherit_permissions(old, new)
    assert os.getxattr(new, "user.origin") == b"bus 7"
    assert os.getxattr(new, ACL) == access_list(12345, 4)
    assert stat.S_IMODE(new.stat().st_mode) == stat.S_IMODE(old.stat().st_mode) == 0o640


def test_an_access_list_that_the_folder_gives_opens_nothing(two: tuple[Path, Path]) -> None:
    old, new = two
    os.setxattr(new, ACL, access_list(54321, 6))
    os.removexattr(old, ACL)
    old.chmod(0o600)
    inherit_permissions(old, new)
    assert ACL not in os.listxattr(new)
    assert stat.S_IMODE(new.stat().st_mode) == 0o600
    assert new.read_bytes() == b"new"


def test_a_system_without_them(two: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = two
    monkeypatch.delattr(os, "listxattr")
    inherit_permissions(old, new)
    assert stat.S_IMODE(new.stat().st_mode) == 0o640
