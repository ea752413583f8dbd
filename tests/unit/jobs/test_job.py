"""What is known of a job at a moment, and where its pictures may come from."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from chassis.errors import BadRequest, Forbidden, NotFound
from services.jobs.folders import JobFolder
from services.jobs.job import Job, Owner, is_id, new_id, repeated_id
from services.jobs.sources import allowed_path, listed_paths

JOB = Job(
    id="predict-0123456789abcdef",
    kind="predict",
    queue="default",
    parameters=b"{}",
    owner=Owner(),
    keep_s=60,
    state="running",
    created_s=0,
    started_s=10,
    resumed_s=100,
    resumed_at=50,
    done=150,
    total=250,
)


def test_rate_and_time_left_are_those_of_the_present_run() -> None:
    assert JOB.rate(120.0) == 5.0
    assert JOB.left_s(120.0) == 20.0


def test_nothing_is_said_where_nothing_can_be_known() -> None:
    for job in (replace(JOB, done=50), replace(JOB, state="queued"), replace(JOB, resumed_s=0)):
        assert (job.rate(120.0), job.left_s(120.0)) == (None, None)
    assert replace(JOB, state="done", ended_s=150).left_s(200.0) is None
    assert replace(JOB, state="done", ended_s=150).rate(200.0) == 2.0


def test_ids_are_new_or_those_of_before() -> None:
    assert is_id(new_id("predict"))
    assert new_id("predict") != new_id("predict")
    assert repeated_id("predict", "ann", "k") == repeated_id("predict", "ann", "k")
    assert (
        len({repeated_id("predict", *told) for told in (("ann", "k"), ("an", "nk"), ("ann", "l"), ("bob", "k"))}) == 4
    )
    assert not any(map(is_id, ("predict", "predict-xyz", "../x-0123456789abcdef", "0" * 32)))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root" / "deep").mkdir(parents=True)
    (tmp_path / "root" / "a.jpg").touch()
    (tmp_path / "secret.jpg").touch()
    (tmp_path / "root" / "out").symlink_to(tmp_path)
    (tmp_path / "root" / "in").symlink_to(tmp_path / "root" / "deep")
    return tmp_path / "root"


def test_what_is_below_a_root_may_be_read(root: Path) -> None:
    for name in ("", "a.jpg", "deep", "deep/../a.jpg"):
        assert allowed_path(f"{root}/{name}", [str(root)], field="source").is_relative_to(root)
    assert allowed_path(f"{root}/in", [str(root)], field="source") == root / "deep"


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("{root}/../secret.jpg", Forbidden),
        ("{root}/out/secret.jpg", Forbidden),
        ("{root}-other", Forbidden),
        ("/etc/passwd", Forbidden),
        ("{root}/absent", NotFound),
        ("{root}/a\0b", BadRequest),
        ("a.jpg", BadRequest),
        ("", BadRequest),
        ("{root}/" + "x" * 5000, BadRequest),
    ],
)
def test_what_is_not_is_refused(root: Path, path: str, error: type[Exception]) -> None:
    with pytest.raises(error, match="source"):
        allowed_path(path.replace("{root}", str(root)), [str(root)], field="source")


def test_without_roots_nothing_may_be_read(root: Path) -> None:
    with pytest.raises(Forbidden):
        allowed_path(str(root), [], field="source")


def test_each_line_of_a_list_is_held_to_the_roots(root: Path) -> None:
    (root / "list.txt").write_text(f"a.jpg\n\n {root}/deep \n../secret.jpg\n")

    paths = listed_paths(root / "list.txt", lambda path: allowed_path(path, [str(root)], field="source"))

    assert [next(paths), next(paths)] == [root / "a.jpg", root / "deep"]
    with pytest.raises(Forbidden):
        next(paths)


def test_a_folder_is_held_by_one_at_a_time(tmp_path: Path) -> None:
    folder = JobFolder(tmp_path)
    folder.make()

    with folder.held() as first, folder.held() as second:
        assert (first, second) == (True, False)
    with folder.held() as again:
        assert again
