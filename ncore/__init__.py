"""ncore: zarr in one file, moved and migrated without pain."""

__version__ = "0.1.0"

_PARTS = (
    "convert",
    "data",
    "data_converter",
    "errors",
    "itar",
    "loaders",
    "select",
    "stores",
    "transfer",
)


# Without help of `_lazy`: a worker that needs none of it should import nothing.
def __getattr__(name: str):  # type: ignore[no-untyped-def]
    if name not in _PARTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    __import__(f"{__name__}.{name}")  # which sets it
    return globals()[name]


def __dir__() -> list[str]:
    return ["__version__", *_PARTS]
