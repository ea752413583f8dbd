"""How many pictures of a job are on their way at a time."""

from __future__ import annotations

from services.jobs.window import Window


def settled(slots: int, *, most: int = 32, answers: int = 2000) -> int:
    """Return the window in front of a server with so many slots, which takes 0.1 s for what it runs side by side."""
    window, now_s, sizes = Window(most, share=0.25), 0.0, []
    for _ in range(answers):
        took_s = 0.1 * max(1.0, window.size / slots)
        now_s += took_s
        window.answered(took_s, now_s)
        sizes.append(window.size)
    return max(sizes[answers // 2 :])


def test_the_window_fills_a_server_and_lets_little_wait_for_it() -> None:
    assert 1 <= settled(1) <= 3
    assert 8 <= settled(8) <= 21
    assert settled(1000) == 32


def test_alone_a_job_sends_as_much_as_its_window_holds() -> None:
    window = Window(4, share=0.25)
    for answer in range(20):
        window.answered(0.1, answer / 10)

    assert [window.admits(in_flight, 0, 30.0) for in_flight in range(5)] == [True, True, True, True, False]


def test_beside_somebody_else_one_picture_goes_when_nobody_is_at_work() -> None:
    window = Window(4, share=0.25)
    for answer in range(20):
        window.answered(0.1, answer / 10)
    window.sent(29.9)
    window.answered(0.1, 30.0)

    assert not window.admits(0, 1, 30.0), "somebody is at work"
    assert not window.admits(0, 0, 30.2), "the job rests"
    assert window.admits(0, 0, 30.31)
    assert not window.admits(1, 0, 30.4), "one of the job's is on its way"
    assert not window.admits(1, 0, 34.9), "somebody was there a moment ago"
    assert window.admits(3, 0, 35.1), "nobody has been there for a while"


def test_where_somebody_is_always_at_work_a_job_still_gets_on() -> None:
    window = Window(4, share=0.25)
    window.answered(0.1, 0.0)
    window.sent(0.0)

    admitted = [tenth for tenth in range(1, 30) if window.admits(0, 5, tenth / 10)]

    assert admitted[0] == 11
