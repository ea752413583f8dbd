"""Uploads: what one client's may come to, and what happens where the disk is full."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from chassis.errors import NotFound, ServoirError, TooBusy, TooLarge, Unavailable, WrongState
from services.jobs.limits import UploadLimits
from services.jobs.uploads import Upload, Uploads, Used
from tests.file_sizes import files_of_at_most

LIMITS = UploadLimits(upload_bytes=60, upload_files=3, client_bytes=100, client_uploads=3, free_bytes=1000)


@pytest.fixture
def uploads(tmp_path: Path) -> Uploads:
    return Uploads(tmp_path / "uploads", LIMITS, free_bytes=lambda _: 10_000)


def test_an_upload_has_its_bounds(uploads: Uploads) -> None:
    upload = uploads.create("ann")
    for name in ("a", "b", "c"):
        uploads.add(upload, name, 0, b"x")

    with pytest.raises(TooLarge, match="3 files"):
        uploads.add(upload, "d", 0, b"x")
    with pytest.raises(TooLarge, match="an upload may have 60 bytes"):
        uploads.add(upload, "a", 1, bytes(58))
    assert uploads.add(upload, "a", 1, bytes(57)) == 58
    assert (upload.used, upload.sizes()) == (Used(60, 3), {"a": 58, "b": 1, "c": 1})


def test_the_bytes_of_all_uploads_of_a_client_have_a_bound(uploads: Uploads) -> None:
    first, second = uploads.create("ann"), uploads.create("ann")
    uploads.add(first, "a", 0, bytes(60))
    uploads.add(second, "a", 0, bytes(40))

    with pytest.raises(TooLarge, match=r"100 bytes together: end one \(GET /uploads lists them"):
        uploads.add(second, "a", 40, b"x")

    assert uploads.add(uploads.create("bob"), "a", 0, bytes(60)) == 60
    uploads.remove(first)
    assert uploads.add(second, "a", 40, bytes(20)) == 60


def test_a_client_has_so_many_uploads_and_no_more(uploads: Uploads) -> None:
    mine = [uploads.create("ann") for _ in range(3)]

    with pytest.raises(TooBusy, match="3 uploads at a time: end one"):
        uploads.create("ann")

    theirs = uploads.create("bob")
    uploads.remove(mine.pop())
    mine.append(uploads.create("ann"))
    assert sorted(uploads.of("ann")) == sorted(mine)
    assert sorted(uploads.of(None)) == sorted([*mine, theirs])


def test_parts_that_come_at_once_do_not_pass_the_bounds_together(uploads: Uploads) -> None:
    mine = [uploads.create("ann") for _ in range(3)]

    def send(number: int) -> bool:
        try:
            uploads.add(mine[number % 3], f"{number}", 0, bytes(20))
        except TooLarge:
            return False
        return True

    with ThreadPoolExecutor(9) as pool:
        taken = list(pool.map(send, range(9)))

    assert taken.count(True) == 5
    assert sum(upload.used.bytes for upload in mine) == 100


def test_room_on_the_disk_is_left_free(tmp_path: Path) -> None:
    free = [1010]
    uploads = Uploads(tmp_path / "uploads", LIMITS, free_bytes=lambda _: free[0])
    upload = uploads.create("ann")

    assert uploads.add(upload, "a", 0, bytes(10)) == 10
    with pytest.raises(Unavailable) as refused:
        uploads.add(upload, "a", 10, bytes(11))
    free[0] = 999
    with pytest.raises(Unavailable):
        uploads.create("ann")

    assert refused.value.retry_after_s
    assert (upload.used, uploads.of("ann")) == (Used(10, 1), [upload])


def test_a_disk_that_is_full_all_the_same_is_told_as_such(uploads: Uploads) -> None:
    upload = uploads.create("ann")
    (upload.files / "full").symlink_to("/dev/full")

    with pytest.raises(Unavailable, match="no room for uploads"):
        uploads.add(upload, "full", 0, b"x")

    assert upload.used == Used()


@pytest.mark.parametrize("there", [0, 10])
def test_of_a_part_that_cannot_be_written_whole_nothing_is_left(uploads: Uploads, there: int) -> None:
    upload = uploads.create("ann")
    if there:
        uploads.add(upload, "a", 0, bytes(there))

    with files_of_at_most(30), pytest.raises(OSError, match="large"):
        uploads.add(upload, "a", there, bytes(40))

    assert upload.sizes() == ({"a": there} if there else {})
    assert uploads.add(upload, "a", there, bytes(40)) == there + 40
    assert upload.used == Used(there + 40, 1)


def test_others_do_not_find_it(uploads: Uploads) -> None:
    upload = uploads.create("ann")

    def seen(client_id: str | None) -> Upload | type[ServoirError]:
        try:
            return uploads.upload(upload.id, client_id=client_id)
        except NotFound:
            return NotFound

    assert (seen("ann"), seen(None), seen("bob")) == (upload, upload, NotFound)


def test_a_part_begins_where_the_last_one_ended(uploads: Uploads) -> None:
    upload = uploads.create("ann")
    uploads.add(upload, "a", 0, b"ab")

    with pytest.raises(WrongState, match="2 bytes so far"):
        uploads.add(upload, "a", 0, b"ab")
