"""What the command ``servoir`` is told from outside, and the ports of a suite on one machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from chassis.settings import Bytes, setting

ROOT = Path(__file__).parent.parent
"""The checkout: what ``python -m services.…`` runs in."""


@dataclass(frozen=True)
class Settings:
    """Each field is the environment variable ``SERVOIR_<FIELD>``."""

    home: Path = setting(Path("~/.local/share/servoir").expanduser(), help="where the suite keeps everything")
    cache: Path | None = setting(None, help="where fetched packages and demo models are kept; SERVOIR_HOME/cache")
    config: Path = setting(ROOT / "servoir.yaml", help="the file that says what runs on this machine")
    url: str = setting("", help="the suite's address; http://127.0.0.1:<SERVOIR_HTTP_PORT>")
    admin_token: str = setting("", help="what changes are allowed with; made in SERVOIR_HOME/run by `servoir up`")
    api_key: str = setting("", help="the API key to call the suite with, where it asks for one")
    redis_url: str = setting("", help="a Redis or Valkey of your own; none is started then")
    mongo_url: str = setting("", help="a MongoDB replica set of your own; no mongod is started then")
    mongod: str = setting("", help="the mongod to start; the one on PATH, else the wheel's")
    http_host: str = setting("127.0.0.1", help="address that nginx listens at; 0.0.0.0: every one")
    tls_certificate: Path | None = setting(None, help="certificate and chain in one file: nginx serves HTTPS then")
    tls_key: Path | None = setting(None, help="the certificate's key")
    max_upload_bytes: Bytes = setting(Bytes(20 * 2**20), help="largest body of a request, for nginx and the gateways")
    max_predict_timeout_s: float = setting(120.0, help="the longest deadline of a request, for nginx and the gateways")

    def __post_init__(self) -> None:
        if bool(self.tls_certificate) != bool(self.tls_key):
            raise ValueError("SERVOIR_TLS_CERTIFICATE and SERVOIR_TLS_KEY: one needs the other")

    @property
    def cache_folder(self) -> Path:
        """Where fetched packages and the models made from them are."""
        return self.cache or self.home / "cache"


@dataclass(frozen=True)
class Ports:
    """The TCP ports of the suite on 127.0.0.1: ``ports`` of servoir.yaml, or SERVOIR_<FIELD>, which stands over it.

    The servers of the models in servoir.yaml take the ports from ``model_port`` on, and from ``model_metrics_port`` on.
    """

    http_port: int = setting(8080, help="the front door: nginx; with TLS it only sends on to HTTPS")
    https_port: int = setting(8443, help="the front door over TLS, where there is a certificate")
    gateway_port: int = setting(8090, help="the gateways, behind nginx")
    registry_port: int = setting(8400, help="the registry, gRPC")
    redis_port: int = setting(8379, help="Valkey")
    mongo_port: int = setting(8017, help="mongod")
    model_port: int = setting(8501, help="the first model server, gRPC; the others follow")
    registry_metrics_port: int = setting(8602, help="the registry's metrics")
    dispatcher_metrics_port: int = setting(8603, help="the dispatcher's metrics")
    jobs_metrics_port: int = setting(8604, help="the worker of background jobs: its metrics")
    model_metrics_port: int = setting(8701, help="the first model server's metrics; the others follow")

    def __post_init__(self) -> None:
        wrong = [f"{name}: {port} is no port (1 to 65535)" for name, port in vars(self).items() if not 0 < port < 2**16]
        if wrong:
            raise ValueError("; ".join(wrong))


def as_variables(values: Mapping[str, object], *, suffix: str = "") -> dict[str, str]:
    """Return settings written in YAML as the environment has them: ``{"http": 80}`` as ``{"SERVOIR_HTTP…": "80"}``."""
    return {f"SERVOIR_{name.upper()}{suffix}": _as_text(value) for name, value in values.items()}


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
