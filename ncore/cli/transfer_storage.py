"""``--storage-option``: how the transfer commands reach an object store."""

import argparse
from typing import Any

from ncore.cli.app import UsageError


def add_storage(parser: argparse.ArgumentParser) -> None:
    """Add the flag."""
    parser.add_argument(
        "--storage-option",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="option of the object store, by obstore's or fsspec's name: endpoint, region, "
        "skip_signature=true; credentials rather come from the environment. etag_is_md5=false for "
        "buckets encrypted with SSE-KMS or SSE-C",
    )


def storage_of(args: argparse.Namespace) -> dict[str, Any]:
    """Return the options that were given.

    Raises:
        UsageError: One is no NAME=VALUE.
    """
    options: dict[str, Any] = {}
    for text in args.storage_option:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageError("--storage-option takes NAME=VALUE")
        options[name] = {"true": True, "false": False}.get(value.lower(), value)
    return options
