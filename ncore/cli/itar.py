"""``ncore itar``: look into archives, make them, check them, mend them."""

import argparse
from collections.abc import Callable, Sequence
from typing import Any

from ncore.cli.app import ArgumentParser, UsageError, add_output_flags, run_command
from ncore.cli.output import Output

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
    parsers = parser.add_subparsers(metavar="COMMAND", parser_class=ArgumentParser)

    def add(name: str, summary: str, example: str, **kwargs: Any) -> Any:
        made = parsers.add_parser(
            name, help=summary, description=summary[:1].upper() + summary[1:] + ".",
            example=example, **kwargs,
        )  # fmt: skip
        made.set_defaults(command=_command(name))
        return made

    _add_looking(add)
    _add_making(add)
    _add_mending(add)
    for made in parsers.choices.values():
        add_output_flags(made)
    return parser


def _command(name: str) -> Callable[[argparse.Namespace, Output], int | None]:
    def run(args: argparse.Namespace, out: Output) -> int | None:
        if not args.archive:
            raise UsageError("ARCHIVE is empty: name a path or URL")
        # Not before it is needed: zarr takes longer to import than the help to show.
        from ncore.cli import itar_commands

        code: int | None = getattr(itar_commands, f"do_{name}")(args, out)
        return code

    return run


def _add_looking(add: Add) -> None:
    info = add(
        "info",
        "format, counts, sizes, dead space, compression",
        "ncore itar info drive.zarr.itar\nncore itar info --json s3://bucket/drive.zarr.itar",
    )
    _add_archive(info)
    ls = add(
        "ls",
        "list keys, of one directory or all",
        "ncore itar ls drive.zarr.itar camera\n"
        "ncore itar ls -lR --zarr 'glob:**/zarr.json' drive.zarr.itar",
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
    )
    _add_archive(cat)
    cat.add_argument("keys", metavar="KEY", nargs="+", help="as `ncore itar ls` shows them")
    tree = add(
        "tree",
        "groups and arrays with shape, data type, chunks, codecs and sizes; of a directory "
        "or zip file of this machine, too",
        "ncore itar tree drive.zarr.itar\nncore itar tree image.zarr\n"
        "ncore itar tree --depth 2 drive.zarr.itar camera",
    )
    _add_archive(tree)
    tree.add_argument("path", metavar="PATH", nargs="?", default="", help="a node within")
    tree.add_argument("--depth", type=_depth, metavar="N", help="levels below it (default: all)")

    picture = add(
        "map",
        "draw which node owns which bytes, dead space and access order, as an HTML page",
        "ncore itar map drive.zarr.itar\nncore itar map s3://bucket/drive.zarr.itar -o map.html",
    )
    _add_archive(picture)
    picture.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="- is standard output; default: the archive's name and .html, here",
    )
    picture.add_argument("--overwrite", action="store_true", help="replace the file that is there")
    refs = add(
        "refs",
        "write references with which kerchunk, fsspec, xarray and icechunk read an archive",
        "ncore itar refs drive.zarr.itar drive.json\n"
        "ncore itar refs --format parquet --url s3://bucket/drive.zarr.itar drive.zarr.itar "
        "drive.parquet",
    )
    _add_archive(refs)
    refs.add_argument("target", metavar="TARGET", help="a file or -, for Parquet a directory")
    refs.add_argument("--format", choices=("json", "parquet"), default="json", help="default: json")
    refs.add_argument(
        "--url", metavar="URL", help="where readers will find ARCHIVE (default: where it is)"
    )
    refs.add_argument("--overwrite", action="store_true", help="replace what is at TARGET")


def _depth(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of levels")
    return int(text)


def _add_making(add: Add) -> None:
    make = add(
        "pack",
        "make an archive of a directory or a zip file, without dead space",
        "ncore itar pack drive.zarr drive.zarr.itar\n"
        "ncore itar pack --md5 image.ozx s3://bucket/image.zarr.itar",
    )
    make.add_argument("source", metavar="DIR|ZIP", help="a zarr directory, .zarr.zip or .ozx")
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
    )
    _add_archive(unmake)
    unmake.add_argument("target", metavar="DIR", help="the new directory")
    unmake.add_argument(
        "--raw", action="store_true", help="members as they lie: zarr.cbor.xz, not zarr.json"
    )
    unmake.add_argument("--overwrite", action="store_true", help="replace the zarr that is there")
    unmake.add_argument("--dry-run", action="store_true", help="say what would be unpacked")
    _add_selection(unmake, "unpack")


def _add_mending(add: Add) -> None:
    check = add(
        "verify",
        "compare an archive with its index: tar headers, structure, every checksum",
        "ncore itar verify drive.zarr.itar\nncore itar verify --decode drive.zarr.itar",
    )
    _add_archive(check)
    check.add_argument("--decode", action="store_true", help="also decode every chunk")
    check.add_argument(
        "--no-payloads", action="store_true", help="headers and structure only; reads little"
    )
    again = add(
        "repack",
        "write an archive anew: no dead space, checksums for all, a newly packed index",
        "ncore itar repack drive.zarr.itar\n"
        "ncore itar repack --md5 --index-preset 9 drive.zarr.itar smaller.zarr.itar",
    )
    _add_archive(again)
    again.add_argument("target", metavar="TARGET", nargs="?", help="default: ARCHIVE itself")
    again.add_argument("--overwrite", action="store_true", help="replace what is at TARGET")
    again.add_argument("--md5", action="store_true", help="store MD5 digests beside CRC-32C")
    again.add_argument(
        "--index-preset", type=int, choices=range(10), metavar="0-9", help="xz preset of the index"
    )
    again.add_argument("--dry-run", action="store_true", help="say what would be gained")
    back = add(
        "recover",
        "make an archive of every whole member that an unclosed or damaged one has",
        "ncore itar recover cut.zarr.itar good.zarr.itar\n"
        "ncore itar recover drive.zarr.itar     (of which only drive.zarr.itar.partial is left)",
    )
    back.add_argument("archive", metavar="ARCHIVE", help="a local file; it is only read")
    back.add_argument(
        "target",
        metavar="TARGET",
        nargs="?",
        help="the new archive; may be left out where a writer died and ARCHIVE itself is missing",
    )
    back.add_argument("--overwrite", action="store_true", help="replace what is at TARGET")
    back.add_argument("--dry-run", action="store_true", help="say what would come back")


def _add_archive(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("archive", metavar="ARCHIVE", help="path or URL of a .zarr.itar")
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
        (
            "--zarr",
            f"{verb} what matches the filter, e.g. path:labels or glob:**/zarr.json; always "
            "relative to the root",
        ),
        ("--zarr-and", "of that, only what also matches this one"),
        ("--zarr-not", "but not what matches this one"),
    ):
        parser.add_argument(flag, metavar="TYPE:PATTERN", action="append", default=[], help=meaning)


def run(argv: Sequence[str] | None = None) -> None:
    """Run ``ncore itar``; see `make_parser`."""
    run_command(make_parser, argv)


if __name__ == "__main__":
    run()
