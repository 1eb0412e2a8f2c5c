"""``./bazelw`` takes the Bazel that is there, and says what it needs where none is."""
# bazel: data = ["//:bazelw", "//:.bazelversion"]

import os
import shutil
import subprocess
from pathlib import Path

import pytest

WORKSPACE = Path(__file__).absolute().parents[2]


@pytest.fixture
def bazelw(tmp_path):
    """A function that runs bazelw where the PATH has only the given programs."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("bash", "cat", "dirname", "id", "mkdir", "uname"):
        (programs / name).symlink_to(shutil.which(name))

    def run(*args, scripts=(), **env):
        for name, script in dict(scripts).items():
            # Never through a link: that would be the machine's own program.
            (programs / name).unlink(missing_ok=True)
            (programs / name).write_text(f"#!{shutil.which('bash')}\n{script}\n")
            (programs / name).chmod(0o755)
        return subprocess.run(
            [str(WORKSPACE / "bazelw"), *args],
            env={"PATH": str(programs), "BAZELW_CACHE": str(tmp_path / "cache"), **env},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def _version():
    return (WORKSPACE / ".bazelversion").read_text().strip()


def _bazel(version):
    return f'[ "$1" = --version ] && echo bazel {version} || echo bazel "$@"; exit 3'


def test_bazelisk_comes_first(bazelw):
    scripts = {"bazelisk": 'echo bazelisk "$@"; exit 3', "bazel": _bazel(_version())}
    result = bazelw("test", "a b", scripts=scripts)
    assert (result.returncode, result.stdout, result.stderr) == (3, "bazelisk test a b\n", "")


def test_an_installed_bazel_of_the_pinned_major_version_is_used(bazelw):
    major = _version().split(".")[0]
    result = bazelw("info", scripts={"bazel": _bazel(f"{major}.0.0")})
    assert (result.returncode, result.stdout) == (3, "bazel info\n")


@pytest.mark.parametrize("mode", ["installed", ""])
def test_a_bazel_of_another_version_is_not(bazelw, mode):
    result = bazelw("info", scripts={"bazel": _bazel("6.5.0")}, BAZELW_MODE=mode)
    assert result.returncode == 1
    assert result.stdout == ""
    assert "neither bazelisk nor bazel" in result.stderr


def test_a_machine_that_is_not_debian_is_told_to_install_bazelisk(bazelw):
    result = bazelw("info")
    assert result.returncode == 1
    assert "not of the Debian family. Install bazelisk" in result.stderr


def test_another_user_than_root_is_told_what_root_can_do(bazelw):
    result = bazelw("info", scripts={"apt-get": "", "dpkg": "", "id": "echo 1000"})
    assert result.returncode == 1
    assert "As root, `./bazelw help` brings Bazel" in result.stderr


def test_a_full_disk_is_noticed_before_anything_is_fetched(bazelw, tmp_path):
    (tmp_path / "bin" / "awk").symlink_to(shutil.which("awk"))
    df = "printf 'Filesystem 1024-blocks Used Available Capacity\\nd 9 9 2048 9%% /\\n'"
    scripts = {"apt-get": "exit 9", "dpkg": "", "df": df, "id": "echo 0"}
    result = bazelw("info", scripts=scripts)
    assert result.returncode == 1
    assert "has 2 MiB free" in result.stderr


def test_an_unknown_mode_is_refused(bazelw):
    result = bazelw("info", BAZELW_MODE="best")
    assert result.returncode == 1
    assert "BAZELW_MODE is 'best'" in result.stderr


def test_it_names_no_place_to_fetch_from():
    assert "://" not in (WORKSPACE / "bazelw").read_text()
    assert os.access(WORKSPACE / "bazelw", os.X_OK)
