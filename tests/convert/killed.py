"""Run a conversion in a child process and kill it at its n-th step on disk.

Used by tests as a script: ``python killed.py SCENARIO ARGUMENTS``; exits 0 if
all was well. The script itself starts no thread, so that it can fork.
"""

import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

warnings.simplefilter("ignore")

KILLED = 97


def in_child(work: Callable[[], None]) -> int:
    """Do the work in a fork; return its exit code (0: done)."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def dying_after(steps: int, work: Callable[[], None]) -> Callable[[], None]:
    """The same work in a process that dies at the n-th change of the file system."""
    left = steps

    def wrap(module: object, name: str) -> None:
        original = getattr(module, name)

        def step(*args: object, **kwargs: object) -> object:
            nonlocal left
            if name == "open" and not any(f in str(args[1:2]) + str(kwargs) for f in "wax+"):
                return original(*args, **kwargs)
            if left == 0:
                os._exit(KILLED)
            left -= 1
            return original(*args, **kwargs)

        setattr(module, name, step)

    def run() -> None:
        for name in ("write", "fsync", "pwrite", "pwritev", "ftruncate", "link", "unlink"):
            wrap(os, name)
        for name in ("write_bytes", "rename", "replace", "unlink", "mkdir", "open"):
            wrap(Path, name)
        work()

    return run


def everything(root: Path) -> dict[str, bytes]:
    """Relative path → bytes of every file."""
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def in_place(path: Path, most: int) -> None:
    """Kill an in-place conversion everywhere: v2 stays readable, the next run finishes."""
    import shutil

    import numcodecs
    import numpy as np
    import zarr

    from ncore.convert.in_place import convert_directory_in_place
    from ncore.convert.options import ConvertOptions

    def make() -> None:
        root = zarr.open_group(path / "pristine", mode="w", zarr_format=2)
        root.create_array("a", data=np.arange(20), chunks=(5,))
        root.create_group("g").create_array(
            "b", data=np.arange(6), chunks=(3,), filters=[numcodecs.Base64()]
        )

    assert in_child(make) == 0
    before = everything(path / "pristine")
    options = ConvertOptions(verify="none", jobs=1)
    finished = False
    for steps in range(most):
        store = path / f"killed{steps}"
        shutil.copytree(path / "pristine", store)

        def work(store: Path = store) -> None:
            convert_directory_in_place(store, options)

        code = in_child(dying_after(steps, work))
        assert code in (0, KILLED), code
        for key, value in before.items():
            assert (store / key).read_bytes() == value, (steps, key)
        finished = code == 0
        if (store / "zarr.json").exists() and finished:
            break

        def again(store: Path = store) -> None:
            convert_directory_in_place(store)
            root = zarr.open_group(store, mode="r", zarr_format=3)
            assert root["a"][-1] == 19
            assert root["g/b"][-1] == 5

        if not _finished(store):
            assert in_child(again) == 0, steps
        now = everything(store)
        assert {k: v for k, v in now.items() if k in before} == before
        made = {k for k in now if k not in before}
        assert made - {".ncore-in-place.journal"} == {
            "zarr.json",
            "a/zarr.json",
            "g/zarr.json",
            "g/b/zarr.json",
            "g/b/c/0",
            "g/b/c/1",
        }, (steps, made)
    assert finished, "never got through: raise `most`"
    print(steps)


def to(path: Path, most: int, container: int) -> None:
    """Kill a conversion everywhere: no target before it is complete, and a rerun finishes."""
    import numpy as np
    import zarr

    from ncore.convert import conversion as module
    from ncore.convert import target_archive
    from ncore.convert.conversion import convert
    from ncore.convert.options import ConvertOptions

    module._BATCH_ARRAYS = 1
    target_archive.CHECKPOINT_SECONDS = 0.0
    source = path / "source"
    name = ("d.zarr", "a.zarr.itar", "z.zip")[container]

    def make() -> None:
        root = zarr.open_group(source, mode="w", zarr_format=2)
        for i in range(3):
            root.create_array(f"a{i}", data=np.arange(20) + i, chunks=(10,))

    assert in_child(make) == 0
    before = everything(source)
    whole = ""
    for steps in range(0, most, 3):
        folder = path / f"killed{steps}"
        folder.mkdir()
        target = folder / name

        def work(target: Path = target) -> None:
            convert(str(source), str(target), ConvertOptions(verify="none", jobs=1))

        code = in_child(dying_after(steps, work))
        assert code in (0, KILLED), code
        if target.exists():
            # Only the tidying up afterwards may be missing.
            assert _content(target) == whole or not whole
        else:
            assert code == KILLED
            assert in_child(work) == 0, steps
            leftover = [p.name for p in folder.iterdir() if p.name != name]
            assert not leftover, (steps, leftover)
        if not whole:
            whole = _content(target)
        assert _content(target) == whole, steps
        assert everything(source) == before
        if code == 0:
            print(steps)
            return
    raise AssertionError("never got through: raise `most`")


def _content(target: Path) -> str:
    import hashlib

    from ncore.itar.reader import ItarReader

    if target.is_dir():
        return repr(sorted(everything(target).items()))
    if target.suffix == ".itar":
        # A continued archive may hold its members in another order.
        with ItarReader(target) as reader:
            assert reader.dead_bytes == 0
            assert all(reader.verify(key) for key in reader)
            return repr(sorted((key, reader.read(key)) for key in reader))
    return hashlib.sha256(target.read_bytes()).hexdigest()


def _finished(store: Path) -> bool:
    journal = store / ".ncore-in-place.journal"
    return (store / "zarr.json").exists() and not (journal.exists() and journal.stat().st_size)


if __name__ == "__main__":
    scenario, folder, *rest = sys.argv[1:]
    globals()[scenario](Path(folder), *map(int, rest))
