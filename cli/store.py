"""The model store of one machine: each file once, under its sha256; each model as a folder of links to its files.

``SERVOIR_HOME/store/files/<first two digits>/<sha256>`` and ``SERVOIR_HOME/store/models/<key>/``. A model server reads
the latter. What is in the store does not change: files are written beside, made read-only, and put in place whole.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import yaml

from cli.errors import Exit, Stop
from cli.model_folder import ModelFolder, read_model_folder, sha256_of


class Store:
    """The store in the folder *root*."""

    def __init__(self, root: Path) -> None:
        self._files = root / "files"
        self._models = root / "models"

    def folder(self, key: str) -> Path:
        """Return the folder of the model *key*, whether it is there or not."""
        return self._models / key

    def find(self, key: str) -> ModelFolder | None:
        """Return the stored model *key*, its files checked; None where it is not here."""
        return read_model_folder(self.folder(key)) if self.folder(key).exists() else None

    def add(self, model: ModelFolder) -> Path:
        """Store *model* and return its folder here; raises Stop where another is here under its key.

        The same again is a no-op.
        """
        target = self.folder(model.key)
        if stored := self.find(model.key):
            if stored.modelinfo == model.modelinfo:
                return target
            problem = f"{model.key} has changed since it was stored in {target}"
            raise Stop(
                problem, "Give what is new another rel_num: a published model does not change.", code=Exit.REFUSED
            )
        self._models.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._models, prefix=".adding-") as unfinished:
            made = Path(unfinished) / model.key
            for file in model.files:
                link = made / file["path"]
                link.parent.mkdir(parents=True, exist_ok=True)
                _link(self._keep(model.path / file["path"], file["sha256"]), link)
            text = yaml.safe_dump(model.modelinfo, sort_keys=False, allow_unicode=True)
            (made / f"{model.key}.yaml").write_text(text, encoding="utf-8")
            made.rename(target)
        return target

    def _keep(self, file: Path, sha256: str) -> Path:
        """Return where the content of *file* is in the store, copied first where it is not there, or is damaged."""
        kept = self._files / sha256[:2] / sha256
        if not kept.exists() or sha256_of(kept) != sha256:
            kept.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=kept.parent) as folder:
                copy = Path(shutil.copyfile(file, Path(folder) / sha256))
                copy.chmod(0o444)
                copy.replace(kept)
        return kept


def _link(source: Path, link: Path) -> None:
    """Make *link* another name of *source*; a copy where the file system knows no such links."""
    try:
        os.link(source, link)
    except OSError:
        shutil.copyfile(source, link)
