"""Which layer may import which: the table of the house as data."""

# Layer -> the layers of ncore that it may import besides itself. Modules that
# lie directly in ncore/ (errors, _lazy) are the ground that all stand on.
MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "itar": (),
    "stores": ("itar",),
    "select": (),
    "convert": ("itar", "stores", "select"),
    "transfer": ("itar", "stores", "select", "convert"),
    "data": ("itar", "stores", "select"),
    "data_converter": ("itar", "stores", "select", "data"),
    # Aliases of the module paths inside NVIDIA's ncore, for those who import them.
    "impl": ("itar", "stores", "select", "data", "data_converter"),
    "loaders": ("itar", "stores", "select", "data"),
    "cli": (
        "itar",
        "stores",
        "select",
        "convert",
        "transfer",
        "data",
        "data_converter",
        "loaders",
    ),
}

# Folders of what is written in Python, each with the tops that may depend on it.
TOPS = ("ncore", "tools", "tests", "benchmarks")


def layer_of(module: str) -> str | None:
    """The layer that the dotted name `module` lies in; None outside ncore and on its ground."""
    parts = module.split(".")
    if parts == ["ncore", "__main__"]:
        return "cli"
    if parts[0] != "ncore" or len(parts) < 2 or parts[1] not in MAY_IMPORT:
        return None
    return parts[1]


def visibility(package: str) -> list[str]:
    """Who sees the targets of the folder `package` (``ncore/itar``): the layers below it.

    Only a package's face is public beyond this.
    """
    parts = package.split("/")
    if parts[0] != "ncore":
        return ["//:__subpackages__"]
    if len(parts) == 1:
        return ["//visibility:public"]
    below = [layer for layer, above in MAY_IMPORT.items() if parts[1] in above]
    main = ["//ncore:__pkg__"] if parts[1] == "cli" else []  # of ncore/__main__.py
    return main + sorted(
        f"//{folder}:__subpackages__"
        for folder in (
            *(f"ncore/{layer}" for layer in (parts[1], *below)),
            "benchmarks",
            "tests",
            "tools",
        )
    )
