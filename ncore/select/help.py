"""Texts with which every command line explains filters and locations."""

ZARR_HELP = (
    "Select entries of the zarr, as TYPE:PATTERN or an alias. May be repeated; an entry is "
    "selected when any --zarr matches it. glob:PATTERN matches the whole entry path (*, ?, [...] "
    "inside one component, ** across any number of components); path:PREFIX the entry itself or "
    "anything below it; regex:PATTERN is searched for (Python syntax); the alias metadata is "
    "every metadata file of zarr v2 and v3. A path inside the zarr, given in the location, "
    "bounds all filters: what they select must lie below it."
)
ZARR_AND_HELP = (
    "Narrow the selection: an entry must match this filter too. May be repeated; all must match. "
    "Same form as --zarr; without --zarr it narrows the whole zarr."
)
ZARR_NOT_HELP = (
    "Exclude entries that match this filter, whatever the other filters say. May be repeated. "
    "Same form as --zarr."
)
LOCATION_HELP = (
    "A place: dandi://INSTANCE/ID[@VERSION][/PATH], DANDI:ID[/VERSION], a web, API or WebDAV URL "
    "of a DANDI archive, s3://, gs://, az://, http(s):// or file:// URL, or a path. The first "
    "component that ends in .zarr, .ngff, .zarr.itar, .itar, .zarr.zip or .ozx is the zarr; what "
    "follows it is a path inside."
)
