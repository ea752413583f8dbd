"""The reports that are kept: whole under their ids, and linked from the models that they are about."""

from __future__ import annotations

from typing import Any

import msgspec

from chassis.errors import NotFound
from services.registry.acceptance import Judged
from services.registry.documents import Document, history_entry
from services.registry.report import Report, check_report
from services.registry.store import Store
from services.registry.versions import known_fields

MOST_LINKED = 20


class Reports:
    """The reports in MongoDB; safe to use from several threads."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def put(self, report: Report) -> bool:
        """Keep a report and link it from its model; False where one with its id is there already, which stays.

        Raises BadRequest naming what is wrong with it, NotFound where there is no such model.
        """
        check_report(report)
        with self._store.asked("reports"):
            if self._store.db.reports.find_one({"_id": report.id}, {"_id": 1}) is not None:
                return False
            entry = history_entry(report.model_key, "report", report.actor, after=report.id)
            self._store.with_history(lambda session: self._insert(session, report), entry)
        return True

    def find(self, id: str) -> Report:
        """Return a report with its document; raises NotFound."""
        with self._store.asked("reports"):
            document = self._store.db.reports.find_one({"_id": id})
        if document is None:
            raise NotFound(f"no such report: {id[:100]}")
        return _report(document)

    def select(self, model_key: str, limit: int) -> list[Report]:
        """Return reports without their documents, of one model or (empty *model_key*) of all, newest first."""
        wanted = {"model_key": model_key} if model_key else {}
        order = [("made_at_ms", -1), ("_id", -1)]
        with self._store.asked("reports"):
            found = self._store.db.reports.find(wanted, {"document": 0}).sort(order).limit(limit)
            return [_report(document) for document in found]

    def judged(self, model_key: str) -> list[Judged]:
        """Return the newest evaluations of a model, as far as a release looks at them."""
        reports = self.select(model_key, 1000)
        return [Judged(it.id, it.set_name, it.figures) for it in reports if it.kind == "evaluation"]

    def _insert(self, session: Any, report: Report) -> None:
        link = {"$push": {"reports": {"$each": [report.id], "$slice": -MOST_LINKED}}}
        if not self._store.db.models.update_one({"_id": report.model_key}, link, session=session).matched_count:
            raise NotFound(f"no such model: {report.model_key[:200]}")
        document = {name: value for name, value in msgspec.structs.asdict(report).items() if name != "id"}
        document["figures"] = [[name, value] for name, value in report.figures.items()]  # names may hold dots
        self._store.db.reports.insert_one({"_id": report.id, **document}, session=session)


def _report(document: Document) -> Report:
    values = known_fields(document, Report.__struct_fields__)
    return Report(id=document["_id"], **(values | {"figures": dict(values["figures"])}))
