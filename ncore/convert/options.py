"""What a user can ask of a conversion."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, TypedDict, Unpack

from ncore.convert.choices import check_choices
from ncore.convert.errors import OptionError
from ncore.convert.relayout import Layout, parse_compressor, parse_extent
from ncore.convert.translate_array import TranslationOptions

Extent = tuple[int, ...] | int | str


class Choices(TypedDict, total=False):
    """The choices of a conversion by keyword, as the command line has them.

    They are those of `ConvertOptions`, `TranslationOptions` and `Layout`. Sizes may be
    text (``"64MiB"``), a compressor, too (``"zstd:5"``).
    """

    objects: Literal["refuse", "json-strings"]
    allow_pickle: bool
    structs: Literal["flatten", "raw"]
    blobs: Literal["auto", "uint8", "keep"]
    chunks: Extent | None
    shards: Extent | None
    compressor: str | tuple[dict[str, Any], ...] | None
    on_unsupported: Literal["fail", "skip", "keep-v2"]
    ome: bool
    selected: Callable[[str], bool] | None
    overwrite: bool
    verify: Literal["full", "sample", "none"]
    remove_v2: bool
    link: bool
    dry_run: bool
    jobs: int
    memory: int | str
    storage_options: dict[str, object]


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
        check_choices(self)
        for name in ("jobs", "memory"):
            number = getattr(self, name)
            if not isinstance(number, int) or number < 1:
                raise OptionError(f"{name}={number!r}: a whole number from 1")

    def with_choices(self, **choices: Unpack[Choices]) -> "ConvertOptions":
        """The same with some choices made otherwise.

        Raises:
            OptionError: a choice does not exist.
            TypeError: there is nothing of such a name to choose.
        """
        translation = _of(TranslationOptions, choices)
        layout = _of(Layout, choices)
        rest = {k: v for k, v in choices.items() if k not in translation and k not in layout}
        if unknown := sorted(rest.keys() - Choices.__annotations__.keys()):
            known = ", ".join(sorted(Choices.__annotations__))
            raise TypeError(f"no choice of a conversion: {', '.join(unknown)}; there are {known}")
        try:
            for name in ("chunks", "shards"):
                if isinstance(layout.get(name), str):
                    layout[name] = parse_extent(layout[name])
            if isinstance(layout.get("compressor"), str):
                layout["compressor"] = parse_compressor(layout["compressor"])
            if isinstance(rest.get("memory"), str):
                rest["memory"] = parse_extent(str(rest["memory"]))
        except ValueError as error:
            raise OptionError(str(error)) from None
        return replace(
            self,
            translation=replace(self.translation, **translation),
            layout=replace(self.layout, **layout),
            **rest,  # type: ignore[arg-type]
        )


def _of(kind: type, choices: Mapping[str, Any]) -> dict[str, Any]:
    names = {field.name for field in fields(kind)}
    return {name: value for name, value in choices.items() if name in names}
