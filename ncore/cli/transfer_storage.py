"""How the transfer commands reach the places that they are given."""

import argparse
import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from ncore.cli.app import UsageError
from ncore.select.errors import LocationError as SelectLocationError
from ncore.transfer.errors import LocationError

_T = TypeVar("_T")


def add_storage(parser: argparse.ArgumentParser) -> None:
    """Add ``--storage-option``."""
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
    """Return the storage options that were given.

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


def run_with_places(work: Coroutine[Any, Any, _T]) -> _T:
    """Run a command's work to its end.

    Raises:
        UsageError: A location is none, or cannot be what it is used as.
    """
    try:
        return asyncio.run(work)
    except (SelectLocationError, LocationError) as e:
        raise UsageError(str(e)) from None
