"""What can go wrong between a client and a server, on order."""

import re
from dataclasses import dataclass, field


@dataclass
class Fault:
    """One thing that goes wrong for requests that match.

    Attributes:
        host: ``"api"`` or ``"s3"``.
        method: HTTP method; empty for any.
        path: Regular expression searched in ``path?query``, percent-decoded.
        times: How many requests it hits before it is spent.
        skip: How many matching requests it lets pass first.
        status: Answer with this status instead of serving the request.
        body: Body of that answer.
        headers: Headers of that answer (``{"Retry-After": "1"}``).
        stall: Seconds to wait before the answer; with ``truncate`` before
            its rest never comes.
        truncate: Send only so many bytes of the true body, then cut the line.
        corrupt: Send the true body with its first byte changed.
        drop: Cut the line without any answer.
    """

    host: str
    method: str = ""
    path: str = ""
    times: int = 1
    skip: int = 0
    status: int | None = None
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    stall: float = 0.0
    truncate: int | None = None
    corrupt: bool = False
    drop: bool = False

    def hits(self, host: str, method: str, target: str) -> bool:
        """Whether this request is to fail; counts down."""
        if (
            self.times <= 0
            or host != self.host
            or (self.method and method != self.method)
            or re.search(self.path, target) is None
        ):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        self.times -= 1
        return True
