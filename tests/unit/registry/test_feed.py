"""The feed: followers get the newest value, skip what they were too slow for, and end when told."""

from __future__ import annotations

import threading

from services.registry.feed import Feed
from tests.parts import wait_until


def collect(feed: Feed[int], wanted: threading.Event, seen: list[int]) -> threading.Thread:
    thread = threading.Thread(target=lambda: seen.extend(feed.follow(wanted.is_set)), daemon=True)
    thread.start()
    return thread


def test_a_follower_gets_what_is_there_and_then_what_is_newer() -> None:
    feed = Feed(1)
    follower = feed.follow(lambda: True)
    assert next(follower) == 1
    feed.put(2)
    assert next(follower) == 2


def test_a_slow_follower_skips_to_the_newest() -> None:
    feed = Feed(1)
    follower = feed.follow(lambda: True)
    next(follower)
    for value in (2, 3, 4):
        feed.put(value)
    assert next(follower) == 4


def test_two_followers_each_get_everything() -> None:
    feed = Feed("a")
    first, second = feed.follow(lambda: True), feed.follow(lambda: True)
    assert (next(first), next(second)) == ("a", "a")
    feed.put("b")
    assert (next(first), next(second)) == ("b", "b")


def test_closing_ends_waiting_followers_and_later_ones() -> None:
    feed, wanted = Feed(1), threading.Event()
    wanted.set()
    thread = collect(feed, wanted, [])
    feed.close()
    thread.join(10)
    assert not thread.is_alive()
    assert list(feed.follow(lambda: True)) == []


def test_a_follower_that_is_not_wanted_any_more_ends_when_woken() -> None:
    feed, wanted = Feed(1), threading.Event()
    wanted.set()
    thread = collect(feed, wanted, [])
    wanted.clear()

    def ended() -> bool:
        feed.wake()
        return not thread.is_alive()

    wait_until(ended, what="the follower to end")
