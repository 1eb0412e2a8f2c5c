"""``ncore convert``: zarr v2 to v3, in any container."""

import argparse
from collections.abc import Sequence

from ncore.cli.app import ArgumentParser, add_output_flags, run_command
from ncore.cli.output import Output

_EXAMPLE = """
ncore convert OLD.zarr.itar NEW.zarr.itar
ncore convert --dry-run image.zarr image3.zarr
ncore convert --shards 64MiB --compressor zstd:5 old.zarr s3://bucket/new.zarr
ncore convert --zarr path:labels old.zarr labels.zarr.itar
ncore convert --in-place old.zarr
ncore convert --recursive recordings/ --to s3://bucket/v3 --report fleet.jsonl
"""


def make_parser() -> argparse.ArgumentParser:
    """The command line of ``ncore convert``."""
    parser = ArgumentParser(
        prog="ncore convert",
        usage="ncore convert [OPTION ...] SOURCE [TARGET]\n"
        "       ncore convert [OPTION ...] --to PREFIX SOURCE [SOURCE ...]\n"
        "       ncore convert [OPTION ...] --in-place SOURCE",
        description="Convert zarr v2 to v3. Chunks are copied as they are wherever v3 can "
        "describe them, every value is compared afterwards, and nothing appears under "
        "TARGET before it is complete.",
        example=_EXAMPLE,
    )
    parser.add_argument(
        "places",
        metavar="SOURCE [TARGET]",
        nargs="+",
        help=".zarr directory, .zarr.itar, .zarr.zip, .ozx, or URL; with --to any number of "
        "SOURCEs, patterns of them, or - for a list on stdin",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be done; TARGET may be left out"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace what is at TARGET")
    verify = parser.add_mutually_exclusive_group()
    verify.add_argument(
        "--verify",
        choices=("full", "sample"),
        default="full",
        help="compare all values (default), or those of a few chunks of each array",
    )
    verify.add_argument("--no-verify", action="store_true", help="compare nothing")
    parser.add_argument(
        "--report", metavar="FILE", help="write the report there, as JSON; - is standard output"
    )
    parser.add_argument(
        "--link",
        action="store_true",
        help="from directory to directory: chunks that stay as they are become hard links, "
        "which takes no space; a program that changes one where it lies changes both",
    )
    place = parser.add_argument_group("in place")
    place.add_argument(
        "--in-place",
        action="store_true",
        help="put v3 metadata beside the v2 metadata of SOURCE; chunks stay where they are",
    )
    place.add_argument(
        "--remove-v2",
        action="store_true",
        help="with --in-place: remove the v2 metadata once the v3 one is complete",
    )
    fleet = parser.add_argument_group("fleet")
    fleet.add_argument("--to", metavar="DIR|PREFIX", help="convert every SOURCE into this place")
    fleet.add_argument(
        "--recursive", action="store_true", help="convert every zarr that lies below the SOURCEs"
    )
    fleet.add_argument(
        "--container",
        choices=(".zarr", ".zarr.itar", ".zarr.zip", ".ozx"),
        help="of the targets (default: as the source)",
    )
    fleet.add_argument(
        "--dask", metavar="ADDRESS", help="on a Dask cluster, e.g. tcp://scheduler:8786"
    )
    fleet.add_argument(
        "--retries", type=int, default=3, metavar="N", help="of remote errors (default 3)"
    )
    select = parser.add_argument_group("what")
    for flag, meaning in (
        ("--zarr", "convert what matches the filter, e.g. path:labels or glob:**/0"),
        ("--zarr-and", "of that, only what also matches this one"),
        ("--zarr-not", "but not what matches this one"),
    ):
        select.add_argument(flag, metavar="TYPE:PATTERN", action="append", default=[], help=meaning)
    forms = parser.add_argument_group("where v2 and v3 differ")
    forms.add_argument(
        "--on-unsupported",
        choices=("fail", "skip", "keep-v2"),
        default="fail",
        help="arrays without a v3 form: convert nothing (default), leave them out, or take "
        "them along with their v2 metadata",
    )
    forms.add_argument(
        "--objects",
        choices=("refuse", "json-strings"),
        default="refuse",
        help="Python objects that are no strings: refuse (default), or store the JSON text of each",
    )
    forms.add_argument(
        "--allow-pickle",
        action="store_true",
        help="unpickle pickled objects; this runs code from the file, so only if you trust it",
    )
    forms.add_argument(
        "--structs",
        choices=("flatten", "raw"),
        default="flatten",
        help="nested and sub-array fields: make them fields of their own (default), or keep "
        "the struct as raw bytes",
    )
    forms.add_argument(
        "--blobs",
        choices=("auto", "uint8", "keep"),
        default="auto",
        help="0-d byte strings that become 1-D uint8: NCore's images (default), all, or none",
    )
    forms.add_argument(
        "--ome", action="store_true", help="bring OME-Zarr 0.4 metadata to OME-Zarr 0.5"
    )
    layout = parser.add_argument_group("layout (re-encodes)")
    layout.add_argument("--chunks", metavar="SHAPE|SIZE", help="e.g. 64,64,64 or 1MiB")
    layout.add_argument("--shards", metavar="SHAPE|SIZE", help="e.g. 512,512,512 or 64MiB")
    layout.add_argument(
        "--compressor",
        metavar="CODEC",
        help="none, zstd[:LEVEL], gzip[:LEVEL] or blosc[:CNAME[:LEVEL[:SHUFFLE]]]",
    )
    effort = parser.add_argument_group("effort")
    effort.add_argument(
        "--jobs",
        type=int,
        metavar="N",
        help="threads (default 4); of a fleet: processes (default: one a processor)",
    )
    effort.add_argument(
        "--memory",
        metavar="SIZE",
        help="for chunks in flight (default 1GiB; of a fleet: 1GiB for each process)",
    )
    effort.add_argument(
        "--storage-option",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="of remote places, e.g. endpoint=http://host:9000 or anon=true; keys and tokens "
        "are better left in the environment",
    )
    add_output_flags(parser, quiet="print errors only")
    parser.set_defaults(
        command=_convert,
        interrupted=[
            "the same command goes on where it stopped; till then what is done lies beside the "
            "target in hidden files, .NAME.ncore-*"
        ],
    )
    return parser


def _convert(args: argparse.Namespace, out: Output) -> int | None:
    # Not before it is needed: zarr takes longer to import than the help to show.
    from ncore.cli.convert_command import convert

    return convert(args, out)


def run(argv: Sequence[str] | None = None) -> None:
    """Run ``ncore convert``; see `make_parser`."""
    run_command(make_parser, argv)


if __name__ == "__main__":
    run()
