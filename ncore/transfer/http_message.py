"""Heads of HTTP/1.1 messages: requests written, answers read.

Source: RFC 9112 (message syntax).
"""

import re
from collections.abc import Iterator, Mapping

_STATUS = re.compile(r"HTTP/1\.([01]) ([1-5]\d\d)(?: .*)?")
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_BAD_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class HttpProtocolError(ConnectionError):
    """The other side does not speak HTTP/1.1, or ended in the midst of a message."""


class Headers(Mapping[str, str]):
    """Header fields, found whatever the case of their names.

    Args:
        fields: Values by lower-case name.
    """

    def __init__(self, fields: dict[str, str]) -> None:
        self._fields = fields

    def __getitem__(self, name: str) -> str:
        return self._fields[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)


def parse_head(head: bytes) -> tuple[int, bool, Headers]:
    """Return status, whether it is HTTP/1.1, and header fields of a response's head.

    Args:
        head: Status line and fields, without the empty line.

    Raises:
        HttpProtocolError: It is not of that form.
    """
    first, *lines = head.decode("latin-1").split("\r\n")
    status = _STATUS.fullmatch(first)
    if status is None:
        raise HttpProtocolError("that is not an HTTP/1.1 answer")
    fields: dict[str, str] = {}
    name = ""
    for line in lines:
        if line[:1] in (" ", "\t") and name:  # a folded line goes on
            fields[name] += " " + line.strip()
            continue
        name, colon, value = line.partition(":")
        if not colon or not _NAME.fullmatch(name):
            raise HttpProtocolError("malformed header fields")
        name, value = name.lower(), value.strip(" \t")
        if name not in fields:
            fields[name] = value
        elif name != "content-length":
            fields[name] += ", " + value
        elif fields[name] != value:
            raise HttpProtocolError("two different Content-Length")
    return int(status[2]), status[1] == "1", Headers(fields)


def make_head(method: str, target: str, headers: Mapping[str, str]) -> bytes:
    """Return the head of a request, with its empty line.

    Raises:
        ValueError: A character that would end the line or the field early.
    """
    lines = [f"{method} {target} HTTP/1.1"]
    for name, value in headers.items():
        if _BAD_VALUE.search(value):
            raise ValueError(f"the header {name} would hold a control character")
        lines.append(f"{name}: {value}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
