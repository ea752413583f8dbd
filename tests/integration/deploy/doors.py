"""The real nginx with a front door of ours, for tests."""

from __future__ import annotations

import http.client
import signal
import socket
import subprocess
from pathlib import Path

import httpx
import psutil

from embedded import Missing, nginx
from embedded.front_door import FrontDoor, Tls
from tests.parts import Server, absent, free_port


def certificate(folder: Path) -> tuple[Path, Path]:
    """Make a certificate for localhost that nobody signed; return it and its key."""
    chain, key = folder / "chain.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-keyout", str(key), "-out", str(chain), "-subj", "/CN=localhost", "-days", "2"]
    subprocess.run(command, check=True, capture_output=True)
    return chain, key


def tls(folder: Path) -> Tls:
    """Return HTTPS on a free port with a certificate of its own."""
    port = free_port()
    chain, key = certificate(folder)
    return Tls(f"127.0.0.1:{port}", chain, key, public_port=port)


def raw(address: str, request: bytes) -> http.client.HTTPResponse:
    """Return what comes back for these very bytes."""
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(request)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        return answer


class Door:
    """A running nginx; *options* are FrontDoor's."""

    def __init__(self, folder: Path, *gateways: str, **options: object) -> None:
        self.address = f"127.0.0.1:{free_port()}"
        self.url = f"http://{self.address}"
        self.folder = folder / "nginx"
        self.door = FrontDoor(self.folder, http_address=self.address, gateways=gateways, **options)  # type: ignore[arg-type]
        self.log = folder / "nginx.log"
        try:
            self.configuration = nginx.write_door(self.door)
            command = nginx.command(self.configuration)
        except Missing as missing:
            absent(str(missing))
        self.server = Server(command, self._answers, self.log)

    def reload(self) -> None:
        """Have new workers take over from the old ones."""
        self.server.process.send_signal(signal.SIGHUP)

    def workers(self) -> set[int]:
        """Return the process ids of those who answer, or still do."""
        return {child.pid for child in psutil.Process(self.server.process.pid).children()}

    def stop(self) -> None:
        self.server.stop()

    def _answers(self) -> bool:
        try:
            return bool(httpx.get(f"{self.url}/metrics").status_code)
        except httpx.HTTPError:
            return False
