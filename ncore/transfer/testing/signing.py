"""Presigned URLs as S3 makes and checks them (AWS Signature Version 4).

Source: "Authenticating Requests: Using Query Parameters", Amazon S3 API
reference.
"""

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from urllib.parse import parse_qsl, quote

_REGION = "us-east-2"


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")


class UrlSigner:
    """Makes signed URLs with a secret of its own, and checks them."""

    def __init__(self) -> None:
        self._secret = secrets.token_hex(20)
        self._day_key = lru_cache(maxsize=4)(self._make_day_key)

    def sign(
        self, method: str, base: str, path: str, headers: Mapping[str, str], seconds: float
    ) -> str:
        """Return a URL good for ``seconds`` (negative: expired already).

        Args:
            method: HTTP method it is good for.
            base: ``http://host:port``.
            path: Absolute path, not percent-encoded.
            headers: Headers, in lower case, that must be sent as they stand.
            seconds: Lifetime.
        """
        raw_path = quote(path, safe="/-_.~")
        signed = {**headers, "host": base.partition("://")[2]}
        made = datetime.now(UTC)
        if seconds < 0:
            made += timedelta(seconds=seconds - 1)
            seconds = 1
        stamp = made.strftime("%Y%m%dT%H%M%SZ")
        query = {
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Credential": f"test/{stamp[:8]}/{_REGION}/s3/aws4_request",
            "X-Amz-Date": stamp,
            "X-Amz-Expires": str(int(seconds)),
            "X-Amz-SignedHeaders": ";".join(sorted(signed)),
        }
        text = _canonical_query(query)
        signature = self._signature(method, raw_path, text, signed, stamp)
        return f"{base}{raw_path}?{text}&X-Amz-Signature={signature}"

    def check(
        self, method: str, raw_path: str, raw_query: str, headers: Mapping[str, str]
    ) -> str | None:
        """Return why a request is refused, None if it is good.

        Args:
            method: HTTP method.
            raw_path: Path as it came over the wire.
            raw_query: Query as it came over the wire.
            headers: The request's headers, looked up regardless of case.
        """
        query = dict(parse_qsl(raw_query, keep_blank_values=True))
        given = query.pop("X-Amz-Signature", "")
        stamp = query.get("X-Amz-Date", "")
        try:
            made = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
            until = made + timedelta(seconds=int(query["X-Amz-Expires"]))
            names = query["X-Amz-SignedHeaders"].split(";")
        except (KeyError, ValueError):
            return "AuthorizationQueryParametersError"
        if any(name not in headers for name in names):
            return "SignatureDoesNotMatch"
        signed = {name: headers[name].strip() for name in names}
        expected = self._signature(method, raw_path, _canonical_query(query), signed, stamp)
        if not hmac.compare_digest(given, expected):
            return "SignatureDoesNotMatch"
        return "Request has expired" if datetime.now(UTC) > until else None

    def _signature(
        self, method: str, raw_path: str, query: str, headers: Mapping[str, str], stamp: str
    ) -> str:
        names = sorted(headers)
        lines = "".join([f"{name}:{headers[name]}\n" for name in names])
        request = f"{method}\n{raw_path}\n{query}\n{lines}\n{';'.join(names)}\nUNSIGNED-PAYLOAD"
        hashed = hashlib.sha256(request.encode()).hexdigest()
        scope = f"{stamp[:8]}/{_REGION}/s3/aws4_request"
        to_sign = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashed}"
        return _hmac(self._day_key(stamp[:8]), to_sign).hex()

    def _make_day_key(self, day: str) -> bytes:
        key = _hmac(f"AWS4{self._secret}".encode(), day)
        for part in (_REGION, "s3", "aws4_request"):
            key = _hmac(key, part)
        return key


def _canonical_query(query: Mapping[str, str]) -> str:
    return "&".join(
        [f"{quote(k, safe='-_.~')}={quote(v, safe='-_.~')}" for k, v in sorted(query.items())]
    )
