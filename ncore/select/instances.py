"""The DANDI archives that are known by name, and where they live."""

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True)
class DandiInstance:
    """One deployment of the DANDI archive.

    Attributes:
        name: what ``dandi://NAME/...`` says. A server that is known by its URL only is
            named after its host, ``host[:port]``.
        gui: URL of the web application, without a slash at the end; None if unknown.
        api: URL of the REST API, likewise; None until the server has been asked
            (`ncore.select.resolve.resolve_instance`).
    """

    name: str
    gui: str | None
    api: str | None

    @property
    def hosts(self) -> frozenset[str]:
        """``host[:port]`` of the web application and of the API."""
        return frozenset(urlsplit(url).netloc.lower() for url in (self.gui, self.api) if url)


def known_instances(local_host: str = "localhost") -> tuple[DandiInstance, ...]:
    """The instances dandi-cli 0.81 knows.

    Args:
        local_host: host of the instance that developers run in containers; dandi-cli
            takes it from the environment variable ``DANDI_INSTANCEHOST``.
    """
    return (
        DandiInstance("dandi", "https://dandiarchive.org", "https://api.dandiarchive.org/api"),
        DandiInstance(
            "dandi-sandbox",
            "https://sandbox.dandiarchive.org",
            "https://api.sandbox.dandiarchive.org/api",
        ),
        DandiInstance("linc", "https://lincbrain.org", "https://api.lincbrain.org/api"),
        DandiInstance(
            "linc-staging",
            "https://staging.lincbrain.org",
            "https://staging-api.lincbrain.org/api",
        ),
        DandiInstance(
            "ember-dandi",
            "https://dandi.emberarchive.org",
            "https://api-dandi.emberarchive.org/api",
        ),
        DandiInstance(
            "ember-dandi-sandbox",
            "https://dandi.sandbox.emberarchive.org",
            "https://api-dandi.sandbox.emberarchive.org/api",
        ),
        DandiInstance(
            "dandi-api-local-docker-tests",
            f"http://{local_host}:8085",
            f"http://{local_host}:8000/api",
        ),
    )


KNOWN_INSTANCES = known_instances()

# Hosts of the WebDAV view (dandidav) of the main archive.
WEBDAV_HOSTS = frozenset({"webdav.dandiarchive.org", "dandi.centerforopenneuroscience.org"})


def instance_by_name(name: str, instances: Iterable[DandiInstance]) -> DandiInstance | None:
    """The instance of that name, in any case."""
    return next((one for one in instances if one.name.lower() == name.lower()), None)


def instance_by_host(host: str, instances: Iterable[DandiInstance]) -> DandiInstance | None:
    """The instance whose web application or API lives on ``host[:port]`` (lower case)."""
    found = next((one for one in instances if host in one.hosts), None)
    if found is not None:
        return found
    if host == "gui.dandiarchive.org":  # the former address, which redirects
        return instance_by_name("dandi", instances)
    if host.endswith("dandiarchive-org.netlify.app"):
        preview = host.startswith("deploy-preview-")
        return instance_by_name("dandi-sandbox" if preview else "dandi", instances)
    return None
