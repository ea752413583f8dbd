"""Writes docs/settings.md and chassis/known_variables.py from the settings of all services: `make settings`."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chassis.settings import ENVIRONMENT, kinds_of, variable
from cli import settings as cli_settings

ROOT = Path(__file__).parent.parent
PAGE, NAMES = ROOT / "docs" / "settings.md", ROOT / "chassis" / "known_variables.py"
INTERNAL = {"SERVOIR_SUITE": "text", "SERVOIR_NGINX_SHA256": "text"}
"""What `servoir up` tells its processes of itself; nobody sets it."""

_TITLES = {
    "cli.settings.Settings": ("The command `servoir`", "What the command itself is told."),
    "cli.settings.Ports": ("Ports of a suite on one machine", "`ports:` in servoir.yaml, without `_port`."),
    "services.gateway.settings": ("Gateway", "`python -m services.gateway`"),
    "services.queue.settings": ("Dispatcher", "`python -m services.queue`"),
    "services.registry.settings": ("Registry", "`python -m services.registry`"),
    "services.model_server.settings": ("Model server", "`python -m services.model_server`; most are options too."),
    "services.jobs.settings": ("Jobs worker", "`python -m services.jobs`"),
}
_COLUMNS = """
| variable | default | in production | what it is |
|---|---|---|---|
"""
_HEAD = """# Settings

Written from the code by `make settings`; don't edit this page. Every setting is an environment variable. A suite on
one machine takes those of its services from `settings:` in servoir.yaml (`gateway_workers: 4` is
`SERVOIR_GATEWAY_WORKERS=4`), of one model's servers from that model's `settings:`. Of the command's own, `redis_url`,
`mongo_url`, `mongod`, `http_host`, `tls_certificate`, `tls_key` and `max_upload_bytes` may stand there too; the
variable stands over the file. What must be said elsewhere is refused there.

A variable with `_FILE` behind its name (`SERVOIR_MONGO_URL_FILE=/run/secrets/mongo_url`) names a file that holds the
value, as containers are given secrets.

All that is wrong is named together, before anything connects: values that cannot be read or make no sense, and
`SERVOIR_` variables that no part of a suite knows, with the one that was probably meant. The service then ends with
exit code 2 (the gateway with 1). Sizes are written `67108864`, `64MiB` or `2GiB`, lists with commas.

**`SERVOIR_ENV`** is `development` (the default) or `production`, which changes the defaults in the third column; what
is set stands over both. Each service says in its log, as `settings_read`, which it is and which defaults it took
because of that; `servoir doctor` says it too.
"""


def classes() -> Iterator[type[Any]]:
    """Yield every dataclass of settings: the command's, then those of the services."""
    yield from (cli_settings.Settings, cli_settings.Ports)
    for path in sorted((ROOT / "services").glob("*/settings.py")):
        module = importlib.import_module(f"services.{path.parent.name}.settings")
        for _, found in inspect.getmembers(module, dataclasses.is_dataclass):
            if found.__module__ == module.__name__:
                yield found


def page() -> str:
    """Return the text of docs/settings.md."""
    return _HEAD + "".join(_section(settings) for settings in classes())


def names() -> str:
    """Return the text of chassis/known_variables.py; raises ValueError where services disagree about a variable."""
    known: dict[str, str] = dict(INTERNAL)
    for settings in classes():
        for name, kind in kinds_of(settings).items():
            if known.setdefault(name, kind) != kind:
                raise ValueError(f"{name} is a {kind} here and a {known[name]} there")
    known |= {name: known.get(name, "text") for name in _compose_variables()}
    lines = "".join(f'    "{name}": "{kind}",\n' for name, kind in sorted(known.items()))
    head = NAMES.read_text(encoding="utf-8").partition("KNOWN")[0]
    return f"{head}KNOWN: dict[str, str] = {{\n{lines}}}\n"


def _compose_variables() -> set[str]:
    """Return what the Compose files may be told; they may stand in the environment of any command."""
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "deploy" / "compose").glob("*.y*ml")]
    found = {name for text in texts for name in re.findall(r"\$\{(SERVOIR_\w+)", text)}
    return found - {ENVIRONMENT}


def _section(settings: type[Any]) -> str:
    title, about = _TITLES.get(f"{settings.__module__}.{settings.__name__}") or _TITLES[settings.__module__]
    rows = "".join(_row(field) for field in dataclasses.fields(settings))
    return f"\n## {title}\n{about}\n{_COLUMNS}{rows}"


def _row(field: dataclasses.Field[Any]) -> str:
    production = field.metadata["production"]
    cells = [
        f"`{variable(field.name)}`",
        "required" if field.default is dataclasses.MISSING else _shown(field.default, str(field.type)),
        "" if production is None else _shown(production, str(field.type)),
        str(field.metadata["help"]).replace("|", "\\|"),
    ]
    return f"| {' | '.join(cells)} |\n"


def _shown(value: Any, kind: str) -> str:
    if value is None or value in ("", (), Path()):
        return "none"
    if kind == "Bytes" and value and value % 2**20 == 0:
        return f"`{value // 2**30}GiB`" if value % 2**30 == 0 else f"`{value // 2**20}MiB`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return f"`{','.join(value)}`"
    if isinstance(value, float):
        return f"`{value:g}`"
    return f"`{value}`".replace(str(Path.home()), "~").replace(f"{ROOT}/", "")


if __name__ == "__main__":
    NAMES.write_text(names(), encoding="utf-8")
    PAGE.write_text(page(), encoding="utf-8")
