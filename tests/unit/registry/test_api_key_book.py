"""The API keys in memory: what is learnt of a key, in whatever order it comes."""

from __future__ import annotations

from services.registry.api_key_book import ApiKeyBook
from services.registry.api_keys import Terms, issue, revoke


def test_an_older_version_of_a_key_that_comes_late_is_not_taken() -> None:
    book = ApiKeyBook(store=None)  # type: ignore[arg-type]  # nothing is written
    older, _ = issue(Terms(client_id="ann"), actor="root", now_ms=1)
    newer = revoke(older, now_ms=2)
    book.learn(older.key.id, newer)
    revision = book.feed.value

    book.learn(older.key.id, older)
    book.load([older])

    assert book.keys() == [newer.key]
    assert book.since(revision).keys == []
