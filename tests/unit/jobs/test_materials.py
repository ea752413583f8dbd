"""Archives that jobs are told of, unpacked: never held whole, never over what the disk has, and never mixed up."""

from __future__ import annotations

import shutil
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from services.jobs.context import Failed
from services.jobs.materials import materials
from tests.fakes_jobs import FakeContext

LARGE_BYTES = 300 * 2**20
MIB = 2**20


def write_zip(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def zip_of(path: Path, large: Path) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(large, "large.bin")
    return path


def tar_of(path: Path, large: Path) -> Path:
    with tarfile.open(path, f"w:{path.suffix[1:]}") as archive:
        archive.add(large, "large.bin")
    return path


@pytest.fixture
def context(tmp_path: Path) -> FakeContext:
    return FakeContext(tmp_path / "job", None)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file of zeros: as an archive it is small."""
    path = tmp_path_factory.mktemp("large") / "large.bin"
    with path.open("wb") as file:
        file.truncate(LARGE_BYTES)
    return path


@pytest.mark.parametrize(
    ("name", "pack", "most_bytes"),
    [
        ("large.zip", zip_of, 16 * MIB),
        ("large.tar.gz", tar_of, 16 * MIB),
        ("large.tar.bz2", tar_of, 16 * MIB),
        ("large.tar.xz", tar_of, 16 * MIB),
    ],
)
def test_a_large_member_of_a_small_archive_is_not_held_whole(
    context: FakeContext, tmp_path: Path, large: Path, name: str, pack: Callable[[Path, Path], Path], most_bytes: int
) -> None:
    archive = pack(tmp_path / name, large)

    tracemalloc.start()
    folder = materials(context, str(archive))
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert archive.stat().st_size < MIB
    assert (folder / "large.bin").stat().st_size == LARGE_BYTES
    assert peak_bytes < most_bytes
    shutil.rmtree(folder)


def test_an_archive_for_which_the_disk_has_no_room_is_refused_and_nothing_of_it_is_left(
    context: FakeContext, tmp_path: Path
) -> None:
    archive = write_zip(tmp_path / "set.zip", **{"a.jpg": b"a", "b.jpg": b"b"})
    context.limits = context.limits._replace(free_bytes=2**62)

    with pytest.raises(Failed, match=r"the disk of jobs has no room to unpack set\.zip"):
        materials(context, str(archive))

    assert list(context.folder.iterdir()) == []


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_members_that_cannot_stand_beside_each_other_are_named(context: FakeContext, tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "set.zip", **{"a": b"a file", "a/b.jpg": b"below it"})

    with pytest.raises(Failed, match=r"set\.zip: a/b\.jpg cannot be unpacked"):
        materials(context, str(archive))


def test_a_broken_member_is_named(context: FakeContext, tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "set.zip", **{"a.jpg": bytes(range(256)) * 20})
    content = bytearray(archive.read_bytes())
    content[60] ^= 255
    archive.write_bytes(content)

    with pytest.raises(Failed, match=r"set\.zip: a\.jpg cannot be unpacked"):
        materials(context, str(archive))


def test_an_archive_is_unpacked_once_and_the_one_folder_in_it_is_the_set(context: FakeContext, tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "upload.zip", **{"pets/a.jpg": b"a", "__MACOSX/b.jpg": b"b", "../c.jpg": b"c"})

    folder = materials(context, str(archive))
    (folder / "marked").touch()
    again = materials(context, str(archive))

    assert folder == again
    assert folder.name == "pets"
    assert sorted(path.name for path in folder.iterdir()) == ["a.jpg", "marked"]


def test_archives_whose_names_begin_alike_are_not_taken_for_one(context: FakeContext, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    paths = ("coco.pictures.zip", "coco.calibration.zip", "other/coco.pictures.zip")
    archives = [write_zip(tmp_path / path, **{"which": path.encode()}) for path in paths]

    folders = [materials(context, str(archive)) for archive in archives]

    assert [(folder / "which").read_text() for folder in folders] == list(paths)
    assert [folder.name for folder in folders] == ["coco"] * 3
