"""The steps that need a server, with the server's answers given."""

from typing import Any

import pytest

from ncore.select.errors import LocationError
from ncore.select.instances import KNOWN_INSTANCES, DandiInstance
from ncore.select.location_parser import parse_location
from ncore.select.locations import DandisetURL
from ncore.select.resolve import needs_instance, resolve_instance, resolve_redirects


def info(api: str, gui: str = "https://gui.example.org/") -> dict[str, Any]:
    return {
        "instance_config": {"instance_name": "DANDI"},
        "services": {"api": {"url": api}, "webui": {"url": gui}},
    }


def test_redirects_are_followed_until_understood() -> None:
    hops = {
        "https://short.example/x": "https://short.example/y",
        "https://short.example/y": "/z",
        "https://short.example/z": "https://dandiarchive.org/dandiset/000027",
    }
    asked: list[str] = []

    def redirect_of(url: str) -> str | None:
        asked.append(url)
        return hops.get(url)

    location = resolve_redirects("https://short.example/x", redirect_of)
    assert location == DandisetURL(KNOWN_INSTANCES[0], "000027", None)
    assert asked == list(hops)


def test_understood_url_asks_nobody() -> None:
    def redirect_of(url: str) -> str | None:
        raise AssertionError(url)

    resolve_redirects("https://dandiarchive.org/dandiset/000027", redirect_of)
    with pytest.raises(LocationError):
        resolve_redirects("ftp://h/x", redirect_of)


def test_redirects_end() -> None:
    with pytest.raises(LocationError, match="not a known DANDI archive"):
        resolve_redirects("https://example.org/x", lambda url: None)
    with pytest.raises(LocationError, match="more than 5 times"):
        resolve_redirects("https://example.org/x", lambda url: url + "x")


@pytest.mark.parametrize("target", ["http://example.org/x.zarr", "file:///etc/x.zarr", "s3://b/x"])
def test_redirect_away_from_https_is_refused(target: str) -> None:
    with pytest.raises(LocationError, match="away from https") as caught:
        resolve_redirects("https://example.org/x?sig=S3CRET", lambda url: target)
    assert "S3CRET" not in str(caught.value)


def test_instance_is_asked_for_its_api() -> None:
    location = parse_location("https://data.example.org/#/dandiset/000027/draft")
    assert needs_instance(location)
    answers = {"https://data.example.org/api/info/": info("https://api.example.org/api/")}
    resolved = resolve_instance(location, answers.get)
    # The name stays that of the host: a server cannot pose as "DANDI" to get its key.
    instance = DandiInstance(
        "data.example.org", "https://gui.example.org", "https://api.example.org/api"
    )
    assert resolved == DandisetURL(instance, "000027", "draft")
    assert not needs_instance(resolved)
    assert resolve_instance(resolved, {}.get) is resolved


@pytest.mark.parametrize(
    "answer", [None, {}, [], {"services": None}, info("ftp://h/"), info("https://[x"), info("")]
)
def test_other_server_is_refused(answer: object) -> None:
    location = parse_location("https://data.example.org/dandiset/000027")
    with pytest.raises(LocationError, match="does not answer as a DANDI archive"):
        resolve_instance(location, lambda url: answer)


def test_known_instance_and_path_need_no_answer() -> None:
    for text in ("dandi://dandi/000027", "x.zarr", "http://h/api/dandisets/000027"):
        assert not needs_instance(parse_location(text))
