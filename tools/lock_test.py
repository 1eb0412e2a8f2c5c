"""The lockfiles satisfy what they are made from, and name no place to fetch from."""
# bazel: data = ["//:pyproject.toml", "//deps:files"]

import re
import tomllib

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement

from tools.lock import DEPS, LOCKS, may_hold, read_lock, read_requirements


def _requirements(lock):
    return [r for name in lock.inputs for r in read_requirements((DEPS / name).read_text())]


def _pins(lock):
    pins = {}
    for pin in read_lock((DEPS / lock.name).read_text()):
        pins.setdefault(pin.requirement.name, []).append(pin)
    return pins


@pytest.fixture(params=LOCKS, ids=lambda lock: lock.name)
def lock(request):
    return request.param


def test_every_requirement_is_pinned_within_its_bounds(lock):
    pins = _pins(lock)
    for wanted in _requirements(lock):
        assert pins[wanted.name], wanted
        for pin in pins[wanted.name]:
            (exact,) = pin.requirement.specifier
            assert exact.operator == "=="
            assert wanted.specifier.contains(exact.version, prereleases=True), wanted
            assert wanted.extras <= pin.requirement.extras, wanted


def test_a_package_is_pinned_once_and_with_hashes(lock):
    for name, pins in _pins(lock).items():
        # Twice only where patch releases of Python differ.
        assert len(pins) == 1 or all("python_full" in str(p.requirement.marker) for p in pins), name
        for pin in pins:
            assert re.search(r"--hash=sha256:[0-9a-f]{64}", pin.text), name


def test_lockfiles_say_nothing_of_where_packages_come_from(lock):
    text = (DEPS / lock.name).read_text()
    assert not re.search(r"://|--(index|extra-index|find-links|trusted-host)", text)


def test_the_oldest_python_has_the_oldest_zarr():
    versions = {
        lock.python: str(_pins(lock)["zarr"][0].requirement.specifier)
        for lock in LOCKS
        if "requirements.in" in lock.inputs
    }
    assert versions["3.11"] == "==3.1.6"
    assert versions["3.13"].startswith("==3.4.")


def test_pyproject_asks_for_the_same_as_the_in_file():
    project = tomllib.loads((DEPS.parent / "pyproject.toml").read_text())["project"]
    wanted = read_requirements((DEPS / "requirements.in").read_text())
    assert {str(Requirement(r)) for r in project["dependencies"]} == {str(r) for r in wanted}


def test_pins_for_another_python_are_left_out():
    assert may_hold(None, "3.11")
    assert may_hold(Marker("python_full_version < '3.12'"), "3.11")
    assert not may_hold(Marker("python_full_version >= '3.12'"), "3.11")
    assert not may_hold(Marker("python_full_version >= '3.12' and sys_platform == 'win32'"), "3.11")
    assert may_hold(Marker("sys_platform == 'win32'"), "3.11")
    assert may_hold(Marker("python_full_version < '3.11.5'"), "3.11")
    assert may_hold(Marker("python_full_version >= '3.11.5'"), "3.11")


def test_reading_a_lockfile():
    text = (
        "# made by\n"
        "a-b==1 ; sys_platform == 'win32' \\\n"
        "    --hash=sha256:00 \\\n"
        "    --hash=sha256:11\n"
        "    # via x\n"
        "c[d]==2 \\\n"
        "    --hash=sha256:22\n"
    )
    first, second = read_lock(text)
    assert (first.requirement.name, str(first.requirement.marker)) == (
        "a-b",
        'sys_platform == "win32"',
    )
    assert second.requirement.extras == {"d"}
    assert first.text + second.text == text.split("\n", 1)[1]
