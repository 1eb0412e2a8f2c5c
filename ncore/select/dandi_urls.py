"""URLs of a DANDI archive: web application, REST API, WebDAV, ``dandi://`` and identifiers."""

import re
from collections.abc import Iterable
from urllib.parse import SplitResult

from ncore.select.errors import LocationError
from ncore.select.instances import DandiInstance, instance_by_name
from ncore.select.locations import (
    AssetFolderURL,
    AssetGlobURL,
    AssetIDURL,
    AssetItemURL,
    AssetPathPrefixURL,
    AssetZarrEntryURL,
    BaseAssetIDURL,
    DandisetURL,
    Location,
    ZarrArchiveURL,
)
from ncore.select.zarr_boundary import UUID, boundary, percent_decoded, plain_components

_ID = r"(?P<id>[0-9]{6})"
_VERSION = r"(?P<version>draft|[0-9]+\.[0-9]+\.[0-9]+)"
_IN_VERSION = rf"/dandisets/{_ID}/versions/{_VERSION}/assets"

_IDENTIFIER = re.compile(rf"(?P<name>[A-Za-z][A-Za-z0-9_-]*):{_ID}(?:/{_VERSION})?/?")
_LOOKS_LIKE_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_-]*:[0-9]{6}(?:/|\Z)")
_DANDI = re.compile(rf"(?P<name>[A-Za-z0-9._-]+)/{_ID}(?:@{_VERSION})?(?:/(?P<path>.*))?", re.S)
_DOI = re.compile(rf"/10\.48324/dandi\.{_ID}(?:/{_VERSION})?/?")

_PAGE = re.compile(rf"/dandiset/{_ID}(?:/{_VERSION})?(?P<files>/files)?/?")
_DANDISET = re.compile(rf"/dandisets/{_ID}(?:/versions(?:/{_VERSION}(?:/info)?)?)?/?")
_ASSETS = re.compile(rf"{_IN_VERSION}/?")
_ASSET_PATHS = re.compile(rf"{_IN_VERSION}/paths/?")
_ASSET = re.compile(rf"{_IN_VERSION}/(?P<asset>{UUID})(?:/(?:download|info|validation))?/?")
_BASE_ASSET = re.compile(rf"/assets/(?P<asset>{UUID})(?:/(?:download|info))?/?")
_ZARR = re.compile(rf"/zarr/(?P<zarr>{UUID})(?:/files)?/?")
# On a server that nobody has named, only what cannot be anything else is taken for DANDI.
_SPECIFIC = (_PAGE, _DANDISET, _ASSETS, _ASSET_PATHS, _ASSET, _BASE_ASSET)

_WEBDAV = re.compile(
    rf"/dandisets/{_ID}(?:/(?:(?P<latest>latest)|(?P<draft>draft)|"
    r"releases/(?P<release>[0-9]+\.[0-9]+\.[0-9]+))(?:/(?P<path>.*))?)?/?",
    re.S,
)
_WEBDAV_ZARR = re.compile(
    rf"/zarrs/[0-9a-fA-F]{{3}}/[0-9a-fA-F]{{3}}/(?P<zarr>{UUID})"
    r"(?:/(?P<checksum>[0-9a-f]{32}-[0-9]+--[0-9]+)\.zarr(?:/(?P<path>.*))?)?/?",
    re.S,
)

# Parameters that change how a list is shown, not what is in it.
_API_VIEW = frozenset({"order", "metadata", "page_size", "zarr", "limit", "download"})


def parse_identifier(text: str, instances: Iterable[DandiInstance]) -> Location | None:
    """``DANDI:000027[/VERSION]``, in any case; None when the text does not look like one."""
    prefix = text.partition(":")[0]
    instance = instance_by_name(prefix, instances)
    if instance is None and not _LOOKS_LIKE_IDENTIFIER.match(text):
        return None
    if ":" not in text:
        return None
    match = _IDENTIFIER.fullmatch(text)
    if match is None or instance is None:
        raise LocationError(
            "it looks like INSTANCE:ID[/VERSION], but the instance must be one of "
            f"{_names(instances)}, the identifier six digits and the version 'draft' or "
            "like 0.210831.2033; write ./ before the name of a file"
        )
    return DandisetURL(instance, match["id"], match["version"])


def parse_dandi_scheme(rest: str, *, glob: bool, instances: Iterable[DandiInstance]) -> Location:
    """What follows ``dandi://``. There is no query and no fragment: ``?`` and ``#`` are text."""
    match = _DANDI.fullmatch(rest)
    if match is None:
        raise LocationError("it is not of the form dandi://INSTANCE/ID[@VERSION][/PATH]")
    instance = instance_by_name(match["name"], instances)
    if instance is None:
        raise LocationError(
            f"there is no instance {match['name']!r}; known are {_names(instances)}"
        )
    path = percent_decoded(match["path"] or "")
    return _in_dandiset(instance, match, path, glob=glob, folder=path.endswith("/"))


def parse_identifiers_org(path: str, instances: Iterable[DandiInstance]) -> Location:
    """``https://identifiers.org/DANDI:000027[/VERSION]``."""
    identifier = percent_decoded(path.removeprefix("/"))
    location = None
    if identifier.lower().startswith("dandi:"):
        location = parse_identifier(identifier, instances)
    if location is None:
        raise LocationError("it is not of the form https://identifiers.org/DANDI:ID[/VERSION]")
    return location


def parse_doi(path: str, instances: Iterable[DandiInstance]) -> Location:
    """``https://doi.org/10.48324/dandi.000027/VERSION``."""
    match = _DOI.fullmatch(path)
    instance = instance_by_name("dandi", instances)
    if match is None or instance is None:
        raise LocationError("it is not of the form https://doi.org/10.48324/dandi.ID/VERSION")
    return DandisetURL(instance, match["id"], match["version"])


def parse_webdav(path: str, instances: Iterable[DandiInstance]) -> Location:
    """The path of a WebDAV URL, percent-encoded."""
    instance = instance_by_name("dandi", instances)
    path = percent_decoded(path)
    if instance is not None and (match := _WEBDAV.fullmatch(path)):
        inside = match["path"] or ""
        version = match["release"] or match["draft"]
        return asset_location(
            DandisetURL(instance, match["id"], version), inside, folder=inside.endswith("/")
        )
    if instance is not None and (match := _WEBDAV_ZARR.fullmatch(path)):
        inside = "/".join(plain_components(match["path"] or ""))
        return ZarrArchiveURL(instance, match["zarr"].lower(), match["checksum"], inside)
    raise LocationError(
        "a WebDAV path is /dandisets/ID/{draft,latest,releases/VERSION}/PATH or "
        "/zarrs/XXX/XXX/ZARR_ID/CHECKSUM.zarr/PATH"
    )


def is_specific(parts: SplitResult) -> bool:
    """Whether a URL of an unknown server has a form that only a DANDI server gives meaning to."""
    path, _ = _route(parts)
    if path.startswith("/api/zarr/"):
        return True
    path = path.removeprefix("/api")
    return any(form.fullmatch(path) for form in _SPECIFIC)


def parse_server_url(instance: DandiInstance, parts: SplitResult, *, glob: bool) -> Location:
    """A URL of the web application or of the API, of which `parts` are the parts."""
    path, query = _route(parts)
    path = path.removeprefix("/api")
    if match := _PAGE.fullmatch(path):
        # Anything else in the query is the state of the page (search terms, page number).
        folder = _parameters(query).get("location", "") if match["files"] else ""
        return _in_dandiset(instance, match, folder, glob=glob, folder=True)
    parameters = {k: v for k, v in _parameters(query).items() if k not in _API_VIEW}
    found = _api_location(instance, path, parameters)
    if found is None:
        raise LocationError(f"the server has no page or resource {path!r} that names data")
    if parameters:
        raise LocationError(f"the query parameter {next(iter(parameters))!r} is not understood")
    return found


def _api_location(
    instance: DandiInstance, path: str, parameters: dict[str, str]
) -> Location | None:
    """What a path of the API names; takes the parameters that it understands."""
    if match := _ASSETS.fullmatch(path):
        dandiset = DandisetURL(instance, match["id"], match["version"])
        if "path" in parameters and "glob" in parameters:
            raise LocationError("it has both 'path' and 'glob'; give one of them")
        if (pattern := parameters.pop("glob", "")) != "":
            plain_components(pattern)
            return AssetGlobURL(instance, match["id"], match["version"], pattern)
        return _path_prefix(dandiset, parameters.pop("path", ""))
    if match := _ASSET_PATHS.fullmatch(path):
        dandiset = DandisetURL(instance, match["id"], match["version"])
        return asset_location(dandiset, parameters.pop("path_prefix", ""), folder=True)
    if match := _DANDISET.fullmatch(path):
        return DandisetURL(instance, match["id"], match["version"])
    if match := _ASSET.fullmatch(path):
        return AssetIDURL(instance, match["id"], match["version"], match["asset"].lower())
    if match := _BASE_ASSET.fullmatch(path):
        return BaseAssetIDURL(instance, match["asset"].lower())
    if match := _ZARR.fullmatch(path):
        inside = "/".join(plain_components(parameters.pop("prefix", "")))
        return ZarrArchiveURL(instance, match["zarr"].lower(), None, inside)
    return None


def _path_prefix(dandiset: DandisetURL, prefix: str) -> Location:
    """``assets/?path=``: a string prefix, unless it goes into a zarr."""
    names = plain_components(prefix)
    end = boundary(names)
    if end is not None and end < len(names):
        return asset_location(dandiset, prefix, folder=False)
    if not names:
        return dandiset
    path = "/".join(names) + ("/" if prefix.endswith("/") and end is None else "")
    return AssetPathPrefixURL(dandiset.instance, dandiset.dandiset_id, dandiset.version_id, path)


def _in_dandiset(
    instance: DandiInstance, match: re.Match[str], path: str, *, glob: bool, folder: bool
) -> Location:
    dandiset = DandisetURL(instance, match["id"], match["version"])
    if glob and path:
        plain_components(path)
        pattern = path.lstrip("/")
        return AssetGlobURL(instance, dandiset.dandiset_id, dandiset.version_id, pattern)
    return asset_location(dandiset, path, folder=folder)


def asset_location(dandiset: DandisetURL, path: str, *, folder: bool) -> Location:
    """What a (decoded) path in a dandiset names.

    A zarr, or a place in one, is told by its name; a slash behind it means nothing.
    """
    where = (dandiset.instance, dandiset.dandiset_id, dandiset.version_id)
    names = plain_components(path)
    if not names:
        return dandiset
    end = boundary(names)
    if end is not None:
        asset_path, inside = "/".join(names[:end]), "/".join(names[end:])
        if inside:
            return AssetZarrEntryURL(*where, asset_path, inside)
        return AssetItemURL(*where, asset_path)
    joined = "/".join(names)
    return AssetFolderURL(*where, joined + "/") if folder else AssetItemURL(*where, joined)


def _route(parts: SplitResult) -> tuple[str, str]:
    """Path and query, taken from the fragment where the page routes by it (``/#/dandiset/...``)."""
    path, query = parts.path, parts.query
    if parts.fragment.startswith("/") and path in ("", "/") and not query:
        path, _, query = parts.fragment.partition("?")
    elif parts.fragment:
        raise LocationError("it has a fragment; write a # in a path as %23")
    return percent_decoded(path), query


def _parameters(query: str) -> dict[str, str]:
    """Decode a query string the way the archive's server does: ``+`` is a space."""
    parameters: dict[str, str] = {}
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        name = percent_decoded(name, plus_is_space=True)
        if name in parameters:
            raise LocationError(f"the query parameter {name!r} is given twice")
        if name:
            parameters[name] = percent_decoded(value, plus_is_space=True)
    return parameters


def _names(instances: Iterable[DandiInstance]) -> str:
    return ", ".join(one.name for one in instances)
