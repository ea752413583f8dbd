"""Model folders to publish in tests."""

from __future__ import annotations

import hashlib
from pathlib import Path

WEIGHTS = b"weights of a network"


def make_model_folder(parent: Path, key: str = "acme-things-1", *, more: str = "", weights: bytes = WEIGHTS) -> Path:
    """Return a folder with ``<key>.yaml`` and ``net/weights.bin``; *more* is added to the YAML."""
    folder = parent / key
    (folder / "net").mkdir(parents=True)
    (folder / "net" / "weights.bin").write_bytes(weights)
    org, problem, rel = key.split("-")
    text = f"org_name: {org}\nproblem_id: {problem}\nrel_num: {rel}\ntask: bbox\ndnnarch: echo\nframework_type: echo\n"
    (folder / f"{key}.yaml").write_text(text + more)
    return folder


def files_entry(sha256: str = hashlib.sha256(WEIGHTS).hexdigest(), size: int = len(WEIGHTS)) -> str:
    return f"files:\n- {{path: net/weights.bin, bytes: {size}, sha256: {sha256}}}\n"
