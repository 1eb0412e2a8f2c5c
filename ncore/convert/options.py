"""What a user can ask of a conversion."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from ncore.convert.errors import OptionError
from ncore.convert.relayout import Layout
from ncore.convert.translate_array import TranslationOptions


@dataclass(frozen=True)
class ConvertOptions:
    """All choices of one conversion.

    Attributes:
        translation: choices where v2 and v3 differ.
        layout: chunks, shards and compressor to change on the way.
        on_unsupported: an array that cannot be converted stops everything
            (``"fail"``), is left out (``"skip"``), or comes along with its v2
            metadata (``"keep-v2"``).
        ome: rewrite OME-Zarr 0.4 metadata as 0.5.
        selected: which node paths and keys to take; None takes all.
        overwrite: replace what is at the target.
        verify: compare all values after writing (``"full"``), some chunks of each
            array (``"sample"``), or nothing (``"none"``).
        remove_v2: of a conversion in place: afterwards, remove the v2 metadata and the
            chunks that were re-encoded. May be said later, too, on a converted store.
        link: of directories: give the chunks that would be copied a second name (hard
            links) in the target. A program that later changes such a file where it lies
            changes both; zarr itself replaces files.
        dry_run: plan only.
        jobs: threads.
        memory: bytes that chunks in flight may take together.
        storage_options: for remote sources and targets.
    """

    translation: TranslationOptions = field(default_factory=TranslationOptions)
    layout: Layout = field(default_factory=Layout)
    on_unsupported: Literal["fail", "skip", "keep-v2"] = "fail"
    ome: bool = False
    selected: Callable[[str], bool] | None = None
    overwrite: bool = False
    verify: Literal["full", "sample", "none"] = "full"
    remove_v2: bool = False
    link: bool = False
    dry_run: bool = False
    jobs: int = 4
    memory: int = 1 << 30
    storage_options: dict[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what would be misunderstood later.

        Raises:
            OptionError: a choice does not exist.
        """
        for name, choices in (
            ("on_unsupported", ("fail", "skip", "keep-v2")),
            ("verify", ("full", "sample", "none")),
        ):
            if getattr(self, name) not in choices:
                raise OptionError(f"{name}={getattr(self, name)!r} is none of {', '.join(choices)}")
        for name in ("jobs", "memory"):
            number = getattr(self, name)
            if not isinstance(number, int) or number < 1:
                raise OptionError(f"{name}={number!r}: a whole number from 1")
