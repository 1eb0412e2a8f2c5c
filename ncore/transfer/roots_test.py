from collections.abc import AsyncGenerator
from typing import cast

import pytest

from ncore.transfer.backend import Root
from ncore.transfer.objects import ObjectBackend
from ncore.transfer.roots import OpenOptions, open_roots, parse

ZARR = "zarr/92dc0d1e-1111-4222-8333-444455556666"


async def config_of(url, storage):
    options = OpenOptions(storage=storage)
    roots = cast(AsyncGenerator[Root], open_roots(parse(url, options), options, is_selected=True))
    async for root in roots:
        backend = root.backend
        assert isinstance(backend, ObjectBackend)
        assert root.is_zarr
        await backend.close()
        await roots.aclose()
        return backend._store.config
    raise AssertionError("no root")


@pytest.mark.parametrize(
    "url", [f"s3://dandiarchive/{ZARR}/", f"https://dandiarchive.s3.amazonaws.com/{ZARR}/0/"]
)
async def test_the_public_bucket_of_dandi_needs_no_account(url, monkeypatch):
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)

    async def nothing(self, key):
        return None

    monkeypatch.setattr(ObjectBackend, "stat", nothing)  # whether it is a plain file
    config = await config_of(url, {})
    assert (config["skip_signature"], config["region"]) == ("true", "us-east-2")
    for other, storage in (
        ("s3://bucket/x.zarr", {}),
        (url, {"access_key_id": "a", "secret_access_key": "b", "region": "us-west-1"}),
    ):
        assert not (await config_of(other, storage)).get("skip_signature")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    assert not (await config_of(url, {})).get("skip_signature")
