"""ncore: zarr in one file, moved and migrated without pain."""

__version__ = "0.1.0"
