"""``servoir status``: what runs, and how it is doing."""

from __future__ import annotations

from typing import Any

import click

from cli.errors import Exit, Stop
from cli.figures import read_figures
from cli.output import console, json_option, print_json, print_table, readable_bytes, readable_seconds
from cli.programs import MODEL_SERVER, Program, programs
from cli.suite import Suite
from cli.supervision import Process

_MODEL = "servoir_model_server_"


@click.command()
@json_option
@click.pass_obj
def status(suite: Suite, as_json: bool) -> None:
    """Show every process of the suite on this machine. Exit code 0 when all of it serves, 5 when not."""
    suite.supervisor.check_runs()
    wanted = {program.name: program for program in programs(suite.plan(suite.entries_now()))}
    rows = [_row(process, wanted.get(process.name)) for process in suite.supervisor.processes()]
    health = _health(suite)
    models = _models(suite)
    if as_json:
        print_json({"status": health["status"], "gateway": health, "processes": rows, "models": models})
    else:
        _print(rows, health)
        _print_models(models)
    if health["status"] != "ok" or not all(row["serving"] for row in rows):
        raise SystemExit(Exit.NOT_READY)


def _health(suite: Suite) -> dict[str, Any]:
    try:
        return suite.gateway.readiness()
    except Stop as stop:
        return {"status": "down", "detail": stop.problem}


def _models(suite: Suite) -> list[dict[str, Any]]:
    """Return every model that is served or asked for, with its servers and its queue; none where nobody tells."""
    try:
        status = {_key(model): model["status"] for model in suite.gateway.models()["models"]}
        queues = suite.gateway.queues()
    except Stop:
        return []
    return [
        {
            "model": row["model"],
            "status": status.get(row["model"], "unknown"),
            "servers": row["replicas"],
            "waiting": row["interactive"] + row["batch"] + row["suspects"],
            "at_work": row["at_work"],
            "quarantined": row["quarantined"],
        }
        for row in queues
    ]


def _key(model: dict[str, Any]) -> str:
    return "-".join(model[part] for part in ("org_name", "problem_id", "rel_num"))


def _row(process: Process, program: Program | None) -> dict[str, Any]:
    """Return what is known of a process; a model server tells more of itself."""
    row: dict[str, Any] = {
        "name": process.name,
        "state": process.state,
        "pid": process.pid,
        "ports": list(program.ports) if program else [],
        "running_s": process.running_s,
        "serving": process.state == "RUNNING",
    }
    if program and process.name.startswith(MODEL_SERVER):
        figures = read_figures(program.ports[1])
        row["serving"] = figures.get(f"{_MODEL}ready") == 1.0
        row["resident_bytes"] = int(figures.get(f"{_MODEL}resident_bytes", 0))
        row["memory_cap_bytes"] = int(figures.get(f"{_MODEL}memory_cap_bytes", 0))
        row["items"] = int(figures.get(f"{_MODEL}items_total", 0))
    return row


def _print(rows: list[dict[str, Any]], health: dict[str, Any]) -> None:
    table = []
    for row in rows:
        state = row["state"].lower() if row["serving"] or row["state"] != "RUNNING" else "not serving yet"
        memory = readable_bytes(row["resident_bytes"]) if row.get("resident_bytes") else ""
        if memory and row["memory_cap_bytes"]:
            memory += f" of {readable_bytes(row['memory_cap_bytes'])}"
        running = readable_seconds(row["running_s"]) if row["running_s"] else ""
        port = row["ports"][0] if row["ports"] else ""
        table.append((row["name"], state, row["pid"] or "", port, running, memory, row.get("items", "")))
    print_table(["process", "state", ">pid", ">port", ">up for", ">memory", ">pictures"], table)
    console.print(f"\ngateway: {', '.join(f'{name} {value}' for name, value in health.items())}")


def _print_models(models: list[dict[str, Any]]) -> None:
    if models:
        console.print()
        columns = ["model", "status", ">servers", ">waiting", ">at work", ">quarantined"]
        print_table(columns, [list(model.values()) for model in models])


COMMANDS = [status]
