"""An archive -> a directory, which no key can leave."""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ncore.itar.durable import sync_file, sync_tree
from ncore.itar.safe_path import path_problem
from ncore.itar.source import FileSource
from ncore.stores.errors import StoreExistsError, UnpackError
from ncore.stores.indexed_tar import IndexedTarStore
from ncore.stores.replaceable import overlap, replaceable_directory

_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_BATCH = 64 << 20
_BATCH_KEYS = 1000
_SHOWN = 5


@dataclass
class UnpackReport:
    """What was unpacked, or would be."""

    source: str
    target: str
    files: int
    bytes: int
    written: bool

    def to_json(self) -> dict[str, Any]:
        """Everything above as JSON values."""
        return dict(vars(self))


def unpack(
    store: IndexedTarStore,
    target: str | os.PathLike[str],
    *,
    raw: bool = False,
    overwrite: bool = False,
    dry_run: bool = False,
    selected: Callable[[str], bool] | None = None,
    progress: Callable[[int], None] = lambda size: None,
    begin: Callable[[int], None] = lambda total: None,
) -> UnpackReport:
    """Write the keys of an archive as files below a new directory.

    They are written beside it and it appears complete. Every key is looked at before
    the first is written.

    Args:
        store: open for reading; with ``verify_reads`` each payload is checked.
        target: the directory to make; an empty one may be there.
        raw: take the members as they lie in the archive, so that the root's metadata is
            ``zarr.cbor.xz``; by default it becomes the ``zarr.json`` that any zarr
            library reads.
        overwrite: replace a zarr that is there, as a whole.
        dry_run: look, and write nothing.
        selected: which keys to take; all by default.
        progress: told the bytes of each file written.
        begin: told the total of bytes.

    Raises:
        UnpackError: a key would leave the directory, or is a file where another key
            needs a directory.
        StoreExistsError: something is at ``target``, and it may not be replaced.
        ItarDigestError: a payload is damaged.
    """
    path = Path(target)
    _check_target(path, overwrite)
    reader = store.reader
    if isinstance(reader.source, FileSource) and overlap(reader.source.path, path):
        raise StoreExistsError(f"{path}: holds the archive {store.name}, so it is not replaced")
    names = reader.keys() if raw else _in_file_order(store)
    keys = [key for key in names if selected is None or selected(key)]
    if not keys and selected is not None:
        raise UnpackError(f"{store.name}: the selection matches no key; nothing was written")
    _check_keys(keys, store.name)
    sizes = {key: reader.entry(key).size if key in reader else 0 for key in keys}
    total = sum(sizes.values())
    report = UnpackReport(str(store.name), str(path), len(keys), total, not dry_run)
    if dry_run:
        return report
    begin(total)
    stage = _Stage(path)
    try:
        for key, data in _payloads(store, keys, sizes, raw):
            stage.write(key, data)
            progress(len(data))
        stage.publish(overwrite)
    except BaseException:
        stage.discard()
        raise
    return report


class _Stage:
    """The hidden directory beside the target in which it is made."""

    def __init__(self, target: Path) -> None:
        self._target = target
        absolute = target.absolute()
        self._path = absolute.with_name(f".{absolute.name}.ncore-unpacking")
        self._made: set[Path] = set()
        absolute.parent.mkdir(parents=True, exist_ok=True)
        self._path.mkdir(mode=0o700, exist_ok=True)
        self._fd = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._fd)
            raise StoreExistsError(f"{target}: another process is unpacking there") from None
        for left in self._path.iterdir():  # by a run that was killed
            shutil.rmtree(left) if left.is_dir() and not left.is_symlink() else left.unlink()

    def write(self, key: str, data: bytes | memoryview) -> None:
        file = self._path / key
        try:
            if file.parent not in self._made:
                file.parent.mkdir(parents=True, exist_ok=True)
                self._made.add(file.parent)
            fd = os.open(file, _NEW_FILE, 0o666)
            try:
                with memoryview(data) as left:
                    done = 0
                    while done < len(left):
                        done += os.write(fd, left[done:])
            finally:
                os.close(fd)
        except FileExistsError:
            raise UnpackError(
                f"{self._target}: {key!r} is the same file as another key on this file system"
            ) from None
        except OSError as error:
            raise UnpackError(f"{self._target}: cannot write {key!r}: {error.strerror}") from None

    def publish(self, overwrite: bool) -> None:
        sync_tree(self._path)
        target = self._target.absolute()
        old = target.with_name(f".{target.name}.ncore-replaced")
        self._path.chmod(0o777 & ~_umask())
        if overwrite and target.exists() and any(target.iterdir()):
            shutil.rmtree(old, ignore_errors=True)
            target.rename(old)
        try:
            self._path.rename(target)  # takes the place of an empty directory only
        except OSError as error:
            if old.exists() and not target.exists():
                old.rename(target)
            raise StoreExistsError(f"{self._target}: {error.strerror}") from None
        sync_file(target.parent)
        shutil.rmtree(old, ignore_errors=True)
        os.close(self._fd)

    def discard(self) -> None:
        shutil.rmtree(self._path, ignore_errors=True)
        os.close(self._fd)


def _check_target(path: Path, overwrite: bool) -> None:
    if path.is_symlink() or (path.exists() and not path.is_dir()):
        raise StoreExistsError(f"{path}: a file or link is there; nothing is written over it")
    if not path.is_dir() or not any(path.iterdir()):
        return
    replaceable_directory(path)
    if not overwrite:
        raise StoreExistsError(
            f"{path}: already exists and is not empty; --overwrite replaces a zarr as a whole"
        )


def _check_keys(keys: Sequence[str], archive: object) -> None:
    """Refuse keys that cannot all be files below one directory."""
    bad = [(key, problem) for key in keys if (problem := path_problem(key))]
    files = set(keys)
    directories: set[str] = set()
    for key in keys:
        above = key.rpartition("/")[0]
        while above and above not in directories:
            directories.add(above)
            above = above.rpartition("/")[0]
    bad += [(key, "other keys lie below it") for key in sorted(files & directories)]
    if not bad:
        return
    lines = [f"{key!r}: {problem}" for key, problem in bad[:_SHOWN]]
    more = f"\nand {len(bad) - _SHOWN} more" if len(bad) > _SHOWN else ""
    raise UnpackError(
        f"{archive}: {len(bad)} keys cannot be files below a directory; nothing was written "
        "(--zarr-not leaves keys out):\n" + "\n".join(lines) + more
    )


def _in_file_order(store: IndexedTarStore) -> list[str]:
    """Return what zarr lists, members in file order."""
    reader = store.reader
    listed = store.keys()
    members = [key for key in listed if key in reader]
    members.sort(key=lambda key: reader.entry(key).offset)
    return members + [key for key in listed if key not in reader]


def _payloads(
    store: IndexedTarStore, keys: Sequence[str], sizes: dict[str, int], raw: bool
) -> Iterator[tuple[str, bytes | memoryview]]:
    reader = store.reader
    if isinstance(reader.source, FileSource):
        for key in keys:
            yield key, reader.view(key) if key in reader else store.read(key)
        return
    read_many = reader.read_many if raw else store.read_many
    start = 0
    while start < len(keys):
        stop, weight = start, 0
        while stop < len(keys) and (weight < _BATCH and stop - start < _BATCH_KEYS):
            weight += sizes[keys[stop]]
            stop += 1
        batch = keys[start:stop]
        yield from zip(batch, read_many(batch), strict=True)
        start = stop


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
