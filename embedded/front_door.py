"""The front door's configuration for nginx, made from the templates in ``deploy/nginx``: one for every deployment.

``python -m embedded.front_door`` writes those of containers anew, which are committed beside the templates.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

TEMPLATES = Path(__file__).parent.parent / "deploy" / "nginx"
FIRST_WITH_HTTP2_DIRECTIVE = (1, 25, 1)
FIRST_WITH_KEEPALIVE_MIN_TIMEOUT = (1, 27, 4)
_BEHIND_A_NAME = 5
"""As many gateways are taken to stand behind a name that is looked up."""
_ANSWER_LATER_S, _SHUTDOWN_LATER_S = 10, 30
"""How much longer than the longest answer a gateway may be silent, and a worker that a reload replaces may live."""
_BLANK = re.compile(r"@\{(\w+)\}")


@dataclass(frozen=True)
class Tls:
    """Where HTTPS is served, with which certificate (its chain in one file) and key; clients see *public_port*."""

    address: str
    certificate: Path
    key: Path
    public_port: int = 443


@dataclass(frozen=True)
class FrontDoor:
    """What the front door of one deployment is. Addresses are ``host:port``.

    With *tls*, HTTP only sends on to HTTPS. *grpc_models* are the addresses of each model's servers by its key; they
    are served at *grpc_address*. With *resolver* (the address of a DNS server) names are looked up again and again, so
    that replicas may come and go. Addresses in the networks *unlimited* are held to no rate. *longest_answer_s* is the
    longest deadline that a request may have (``SERVOIR_MAX_PREDICT_TIMEOUT_S``).
    """

    folder: Path
    http_address: str = "127.0.0.1:8080"
    gateways: tuple[str, ...] = ("127.0.0.1:8090",)
    max_upload_bytes: int = 20 * 2**20
    longest_answer_s: float = 120.0
    tls: Tls | None = None
    grpc_address: str = ""
    grpc_models: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    resolver: str = ""
    unlimited: tuple[str, ...] = ("127.0.0.0/8", "::1/128")
    requests_per_s: int = 1000
    connections: int = 1000
    worker_processes: str = "1"
    user: str = ""
    nginx_version: tuple[int, ...] = FIRST_WITH_KEEPALIVE_MIN_TIMEOUT

    def text(self) -> str:
        """Return the whole configuration."""
        return _fill("servoir.conf.template", self._values())

    def _values(self) -> dict[str, object]:
        return {
            "user": f"user {self.user};" if self.user else "",
            "worker_processes": self.worker_processes,
            "folder": self.folder,
            "unlimited": " ".join(f"{network} 0;" for network in self.unlimited),
            "requests_per_s": self.requests_per_s,
            "connections": self.connections,
            "resolver": self._resolver(),
            "connect_timeout": "250ms" if self.resolver else "2s",  # a name may stand for one that has gone
            "servers": "\n        ".join(self._servers(self.gateways)),
            "tries": self._tries(),
            "max_upload_bytes": self.max_upload_bytes,
            "kept": "keepalive_min_timeout 2s;" if self.nginx_version >= FIRST_WITH_KEEPALIVE_MIN_TIMEOUT else "",
            "answer_timeout": self._answer_timeout(),
            "shutdown_timeout": f"{math.ceil(self.longest_answer_s) + _SHUTDOWN_LATER_S}s",
            "headers": self._headers(),
            "refusals": self._refusals(),
            "redirect": self._redirect(),
            "listen": self._tls(self.tls) if self.tls else f"        listen {self.http_address};",
            "grpc": self._grpc(),
        }

    def _servers(self, addresses: tuple[str, ...]) -> list[str]:
        """Return the servers of a group. Each stands in for itself too, for when all of them are left out at once."""
        named = [f"server {address}{' resolve' if self.resolver else ''}" for address in addresses]
        if len(addresses) == 1 and not self.resolver:
            return [f"{one} max_fails=0;" for one in named]
        first = [f"{one} max_fails=3 fail_timeout=3s;" for one in named]
        return first + [f"{one} backup max_fails=0;" for one in named]

    def _tries(self) -> int:
        """Return how many servers a request may be tried at: where all but one refuse, that one is still reached."""
        most = _BEHIND_A_NAME if self.resolver else len(self.gateways)
        return max(3, 2 * most - 1)

    def _answer_timeout(self) -> str:
        return f"{math.ceil(self.longest_answer_s) + _ANSWER_LATER_S}s"

    def _headers(self) -> str:
        """Return what nginx's own answers have in their heads."""
        headers = {
            "X-Request-Id": "$request_name",
            "Access-Control-Allow-Origin": "$any_origin",
            "Access-Control-Expose-Headers": "$any_headers",
        }
        if self.tls:
            headers["Strict-Transport-Security"] = '"max-age=63072000"'
        return "\n            ".join(f"add_header {name} {value} always;" for name, value in headers.items())

    def _refusals(self) -> str:
        return _fill("refusals.template", {"headers": self._headers()}).rstrip("\n")

    def _resolver(self) -> str:
        return f"resolver {self.resolver} valid=2s ipv6=off;" if self.resolver else ""

    def _redirect(self) -> str:
        if not self.tls:
            return ""
        port = self.tls.public_port
        values = {"http_address": self.http_address, "https_suffix": "" if port == 443 else f":{port}"}
        values["refusals"] = self._refusals()
        return _fill("redirect.template", values)

    def _tls(self, tls: Tls, address: str = "") -> str:
        own_directive = self.nginx_version >= FIRST_WITH_HTTP2_DIRECTIVE
        values = {
            "https_address": address or tls.address,
            "http2_listen": "" if own_directive else " http2",
            "http2_on": "http2 on;" if own_directive else "",
            "certificate": tls.certificate,
            "key": tls.key,
        }
        return _fill("tls.template", values).rstrip("\n")

    def _grpc(self) -> str:
        if not self.grpc_models:
            return ""
        values = {
            "grpc_names": "\n        ".join(
                f'"{name}" {_group(key)};' for name, key in _names(self.grpc_models).items()
            ),
            "grpc_upstreams": "\n    ".join(self._group(*model) for model in self.grpc_models.items()),
            "grpc_listen": self._tls(self.tls, self.grpc_address) if self.tls else self._plain_grpc(),
            "max_upload_bytes": self.max_upload_bytes,
            "answer_timeout": self._answer_timeout(),
        }
        return _fill("grpc.template", values)

    def _plain_grpc(self) -> str:
        if self.nginx_version >= FIRST_WITH_HTTP2_DIRECTIVE:
            return f"        listen {self.grpc_address};\n        http2 on;"
        return f"        listen {self.grpc_address} http2;"

    def _group(self, key: str, addresses: tuple[str, ...]) -> str:
        head = f"zone {_group(key)} 256k; least_conn; {self._resolver()}"
        return f"upstream {_group(key)} {{ {head} {' '.join(self._servers(addresses))} keepalive 8; }}"


CONTAINERS = FrontDoor(
    folder=Path("/run/nginx"),
    http_address="8080",
    gateways=("gateway:8080",),
    resolver="127.0.0.11",
    worker_processes="auto",
)
"""The door of a Compose deployment: gateways by their service's name, as many as there are at the moment."""

CONTAINERS_TLS = replace(
    CONTAINERS, tls=Tls("8443", Path("/run/secrets/tls_certificate"), Path("/run/secrets/tls_key"))
)


def _names(models: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """Return which model each name means: its key, and ``<org>-<problem>`` the last one given."""
    return {key.rpartition("-")[0]: key for key in models} | {key: key for key in models}


def _group(key: str) -> str:
    return "model_" + re.sub(r"\W", "_", key)


def _fill(template: str, values: Mapping[str, object]) -> str:
    text = (TEMPLATES / template).read_text(encoding="utf-8")
    filled = _BLANK.sub(lambda blank: str(values[blank[1]]), text)
    return re.sub(r"\n[ ]+\n", "\n", filled)


def containers() -> dict[Path, str]:
    """Return the configurations of containers by the file that holds each."""
    head = "# Written by `make nginx` from the templates beside it.\n"
    return {
        TEMPLATES / "compose-http.conf": head + CONTAINERS.text(),
        TEMPLATES / "compose-https.conf": head + CONTAINERS_TLS.text(),
    }


if __name__ == "__main__":
    for path, text in containers().items():
        path.write_text(text, encoding="utf-8")
