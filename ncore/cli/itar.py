"""``ncore itar``: look into archives, make them, check them, mend them."""

import argparse
import base64
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.progress import Progress

from ncore.cli import itar_views as views
from ncore.cli.app import ArgumentParser, UsageError, add_output_flags, run_command
from ncore.cli.output import Output, label, printable
from ncore.itar.remote import TUNING_OPTIONS
from ncore.select.selection import ZarrSelection
from ncore.stores.archive import describe, list_members, read_hierarchy
from ncore.stores.indexed_tar import IndexedTarStore
from ncore.stores.pack import pack
from ncore.stores.unpack import unpack

_EXAMPLE = """
ncore itar info drive.zarr.itar
ncore itar ls -l drive.zarr.itar camera
ncore itar tree s3://bucket/drive.zarr.itar
ncore itar pack drive.zarr drive.zarr.itar
ncore itar COMMAND --help tells more of each
"""

Add = Callable[..., ArgumentParser]


def make_parser() -> argparse.ArgumentParser:
    """The command line of ``ncore itar``."""
    parser = ArgumentParser(
        prog="ncore itar",
        description="Look into .zarr.itar archives, make them, check them, mend them. "
        "ARCHIVE is a path or a URL (s3://, gs://, az://, https://, any that fsspec knows).",
        example=_EXAMPLE,
    )
    commands = parser.add_subparsers(metavar="COMMAND", parser_class=ArgumentParser)

    def add(name: str, summary: str, example: str, command: object, **kwargs: Any) -> Any:
        made = commands.add_parser(
            name, help=summary, description=summary[:1].upper() + summary[1:] + ".",
            example=example, **kwargs,
        )  # fmt: skip
        made.set_defaults(command=command)
        return made

    _add_looking(add)
    _add_making(add)
    for made in commands.choices.values():
        add_output_flags(made)
    return parser


def _add_looking(add: Add) -> None:
    info = add(
        "info",
        "format, counts, sizes, dead space, compression",
        "ncore itar info drive.zarr.itar\nncore itar info --json s3://bucket/drive.zarr.itar",
        _info,
    )
    _add_archive(info)
    ls = add(
        "ls",
        "list keys, of one directory or all",
        "ncore itar ls drive.zarr.itar camera\n"
        "ncore itar ls -lR --zarr 'glob:**/zarr.json' drive.zarr.itar",
        _ls,
    )
    _add_archive(ls)
    ls.add_argument("path", metavar="PATH", nargs="?", default="", help="a directory within")
    ls.add_argument("-l", "--long", action="store_true", help="size, offset, CRC-32C")
    ls.add_argument("-R", "--recursive", action="store_true", help="all keys below")
    _add_selection(ls, "list")
    cat = add(
        "cat",
        "write the bytes of keys to standard output",
        "ncore itar cat drive.zarr.itar zarr.json\n"
        "ncore itar cat drive.zarr.itar camera/c/0 > chunk",
        _cat,
    )
    _add_archive(cat)
    cat.add_argument("keys", metavar="KEY", nargs="+")
    tree = add(
        "tree",
        "groups and arrays with shape, data type, chunks, codecs and sizes",
        "ncore itar tree drive.zarr.itar\nncore itar tree --depth 2 drive.zarr.itar camera",
        _tree,
    )
    _add_archive(tree)
    tree.add_argument("path", metavar="PATH", nargs="?", default="", help="a node within")
    tree.add_argument("--depth", type=int, metavar="N", help="levels below it (default: all)")


def _add_making(add: Add) -> None:
    make = add(
        "pack",
        "make an archive of a directory or a zip file, without dead space",
        "ncore itar pack drive.zarr drive.zarr.itar\n"
        "ncore itar pack --md5 image.ozx s3://bucket/image.zarr.itar",
        _pack,
    )
    make.add_argument("source", metavar="DIR|ZIP")
    _add_archive(make)
    make.add_argument("--overwrite", action="store_true", help="replace the archive that is there")
    make.add_argument("--md5", action="store_true", help="store MD5 digests beside CRC-32C")
    make.add_argument("--dry-run", action="store_true", help="say what would be packed")
    _add_selection(make, "pack")
    unmake = add(
        "unpack",
        "write the keys of an archive as files of a new directory",
        "ncore itar unpack drive.zarr.itar drive.zarr\n"
        "ncore itar unpack --zarr path:camera s3://bucket/drive.zarr.itar part.zarr",
        _unpack,
    )
    _add_archive(unmake)
    unmake.add_argument("target", metavar="DIR")
    unmake.add_argument(
        "--raw", action="store_true", help="members as they lie: zarr.cbor.xz, not zarr.json"
    )
    unmake.add_argument("--overwrite", action="store_true", help="replace the zarr that is there")
    unmake.add_argument("--dry-run", action="store_true", help="say what would be unpacked")
    _add_selection(unmake, "unpack")


def _add_archive(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("archive", metavar="ARCHIVE")
    parser.add_argument(
        "--storage-option",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="for a URL, e.g. endpoint=http://127.0.0.1:9000 or anon=true; credentials are "
        "better left to the environment",
    )


def _add_selection(parser: argparse.ArgumentParser, verb: str) -> None:
    for flag, meaning in (
        ("--zarr", f"{verb} what matches the filter, e.g. path:labels or glob:**/zarr.json"),
        ("--zarr-and", "of that, only what also matches this one"),
        ("--zarr-not", "but not what matches this one"),
    ):
        parser.add_argument(flag, metavar="TYPE:PATTERN", action="append", default=[], help=meaning)


def _selection(args: argparse.Namespace) -> Callable[[str], bool] | None:
    selection = ZarrSelection.from_flags(args.zarr, args.zarr_and, args.zarr_not)
    return None if selection.is_everything else selection.matches


def _storage_options(args: argparse.Namespace) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for text in args.storage_option:
        name, equals, value = text.partition("=")
        if not name or not equals:
            # The text may be a secret that lost its name.
            raise UsageError("--storage-option takes NAME=VALUE")
        if name in TUNING_OPTIONS:
            if not value.isdecimal():
                raise UsageError(f"--storage-option {name} takes a number")
            found[name] = int(value)
        elif value in ("true", "false"):
            found[name] = value == "true"
        else:
            found[name] = value
    return found


def _open(args: argparse.Namespace, **kwargs: Any) -> IndexedTarStore:
    return IndexedTarStore(args.archive, **kwargs, **_storage_options(args))


def _info(args: argparse.Namespace, out: Output) -> None:
    with _open(args) as store:
        found = describe(store)
    out.result(found.to_json())
    if not out.as_json:
        out.result(None, views.info(found))


def _ls(args: argparse.Namespace, out: Output) -> None:
    selected = _selection(args)
    with _open(args) as store:
        listed = list_members(
            store, args.path, recursive=args.recursive or selected is not None, selected=selected
        )
    if out.as_json:
        out.result([line.to_json() for line in listed])
        return
    for line in views.listing(listed, long=args.long):
        print(line)


def _cat(args: argparse.Namespace, out: Output) -> None:
    with _open(args) as store:
        values = store.read_many(args.keys)
    if out.as_json:
        out.result(
            [
                {"key": key, "size": len(data), "base64": base64.b64encode(data).decode()}
                for key, data in zip(args.keys, values, strict=True)
            ]
        )
        return
    if sys.stdout.isatty():
        for key, data in zip(args.keys, values, strict=True):
            if views.upsets_terminal(data):
                raise UsageError(f"{printable(key)} is binary; send it to a file or a pipe")
    sys.stdout.flush()
    for data in values:
        sys.stdout.buffer.write(data)


def _tree(args: argparse.Namespace, out: Output) -> None:
    with _open(args) as store:
        hierarchy = read_hierarchy(store)
    path = args.path.strip("/")
    nodes = hierarchy.below(path)
    if out.as_json:
        out.result({"archive": store.name, "nodes": [node.to_json() for node in nodes]})
    else:
        out.result(None, views.tree(hierarchy, path, store.name, args.depth))


def _pack(args: argparse.Namespace, out: Output) -> None:
    with out.progress() as bar:
        report = pack(
            args.source,
            args.archive,
            overwrite=args.overwrite,
            dry_run=args.dry_run,
            selected=_selection(args),
            digests=("crc32c", "md5") if args.md5 else ("crc32c",),
            **_bar(bar, f"pack {Path(args.source).name}"),
            **_storage_options(args),
        )
    if not report.holds_zarr:
        out.warning(f"{report.source}: no zarr begins here (no zarr.json, .zgroup or .zarray)")
    out.result(report.to_json(), views.packed(report))


def _unpack(args: argparse.Namespace, out: Output) -> None:
    with _open(args, verify_reads=True) as store, out.progress() as bar:
        report = unpack(
            store,
            args.target,
            raw=args.raw,
            overwrite=args.overwrite,
            dry_run=args.dry_run,
            selected=_selection(args),
            **_bar(bar, f"unpack {Path(store.name).name}"),
        )
    out.result(report.to_json(), views.unpacked(report))


def _bar(bar: Progress, name: str) -> dict[str, Callable[[int], None]]:
    """Return the callbacks that show how far a command is."""
    task = bar.add_task(label(name), total=None)
    return {
        "begin": lambda total: bar.update(task, total=total),
        "progress": lambda size: bar.advance(task, size),
    }


def run(argv: Sequence[str] | None = None) -> None:
    """Run ``ncore itar``; see `make_parser`."""
    run_command(make_parser, argv)


if __name__ == "__main__":
    run()
