"""The pictures of a source: listed once, read from any of them on, and never more than the limits allow."""

from __future__ import annotations

import io
import lzma
import os
import tarfile
import zipfile
from itertools import islice
from pathlib import Path

import pytest

from services.jobs.context import Failed
from services.jobs.limits import Limits
from services.jobs.pictures import Entry, Picture, entries_of, read_pictures, write_list

LIMITS = Limits(picture_bytes=100, unpacked_bytes=10_000, free_bytes=0, pictures=50)


def listed(*paths: Path, limits: Limits = LIMITS) -> list[bytes]:
    file = io.BytesIO()
    write_list(file, (entry for path in paths for entry in entries_of(path, limits)), limits)
    return file.getvalue().splitlines()


def read(lines: list[bytes], start: int = 0) -> list[Picture]:
    return list(read_pictures(islice(lines, start, None), LIMITS))


def write_tar(path: Path, *names: str) -> Path:
    with tarfile.open(path, f"w:{path.suffix[1:]}" if path.suffix != ".tar" else "w") as archive:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = len(name)
            archive.addfile(member, io.BytesIO(name.encode()))
    return path


def write_zip(path: Path, *names: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, name)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with pictures, archives of them, and what is no picture."""
    folder = tmp_path / "source"
    (folder / "deep").mkdir(parents=True)
    for name in ("b.jpg", "a.PNG", "deep/c.gif", "notes.txt", ".hidden.jpg"):
        (folder / name).write_bytes(name.encode())
    write_zip(folder / "m.zip", "x.jpg", "y.jpg", "readme.md")
    write_tar(folder / "n.tar.gz", "p.jpg", "q.txt", "r.jpg")
    return folder


NAMES = ["a.PNG", "b.jpg", "m.zip/x.jpg", "m.zip/y.jpg", "n.tar.gz/p.jpg", "n.tar.gz/r.jpg", "deep/c.gif"]


def test_a_folder_is_read_in_the_order_of_its_names_and_looked_into(folder: Path) -> None:
    pictures = read(listed(folder))

    assert [picture.name for picture in pictures] == NAMES
    assert [picture.content.decode().rpartition("/")[2] for picture in pictures] == [
        name.rpartition("/")[2] for name in NAMES
    ]


@pytest.mark.parametrize("start", range(len(NAMES) + 1))
def test_reading_can_begin_anywhere(folder: Path, start: int) -> None:
    lines = listed(folder)

    assert read(lines, start) == read(lines)[start:]


def test_links_are_passed_over(folder: Path) -> None:
    (folder / "link.jpg").symlink_to("/etc/passwd")
    (folder / "loop").symlink_to(folder)

    assert [picture.name for picture in read(listed(folder))] == NAMES


def test_a_file_that_became_a_link_meanwhile_is_not_read(folder: Path) -> None:
    lines = listed(folder)
    (folder / "b.jpg").unlink()
    (folder / "b.jpg").symlink_to("/etc/passwd")

    assert read(lines)[1] == Picture("b.jpg", b"", "the file cannot be read")


def test_what_cannot_be_read_has_a_problem_in_its_place(folder: Path) -> None:
    lines = listed(folder)
    (folder / "a.PNG").unlink()
    (folder / "b.jpg").write_bytes(b"x" * 101)
    (folder / "deep/c.gif").write_bytes(b"")
    os.mkfifo(folder / "deep/pipe.jpg")

    pictures = read(lines)

    assert [picture.problem for picture in pictures] == [
        "the file cannot be read",
        "more than the 100 bytes that a picture may have",
        "",
        "",
        "",
        "",
        "the file is empty",
    ]


def test_a_pipe_is_no_picture_and_blocks_nobody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")

    [picture] = read([f'["pipe.jpg","{tmp_path}/pipe.jpg"]'.encode()])

    assert picture.problem


def test_an_archive_that_swells_is_refused_before_any_of_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(4):
            archive.writestr(f"{number}.jpg", bytes(3000))

    with pytest.raises(Failed, match=r"bomb\.zip unpacks to more than the 10000 bytes"):
        listed(path)


def test_a_member_that_lies_about_its_size_is_not_read_further_than_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "large.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("0.jpg", bytes(5000))

    [picture] = read(listed(path))

    assert (len(picture.content), picture.problem) == (0, "more than the 100 bytes that a picture may have")


def test_more_pictures_than_allowed_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Failed, match="more than the 50 pictures"):
        listed(write_zip(tmp_path / "many.zip", *(f"{number}.jpg" for number in range(51))))


def xz_of(content: bytes, dictionary_bytes: int) -> bytes:
    return lzma.compress(content, filters=[{"id": lzma.FILTER_LZMA2, "dict_size": dictionary_bytes}])


def write_zip_of(path: Path, dictionary_bytes: int, *, extra: bytes = b"") -> Path:
    """Write a zip whose second member is packed with LZMA and such a dictionary."""
    member = zipfile.ZipInfo("b.jpg")
    member.compress_type, member.extra = zipfile.ZIP_LZMA, extra
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.jpg", b"a.jpg")
        archive.writestr(member, b"b.jpg")
    content = bytearray(path.read_bytes())
    at = member.header_offset + 30 + len("b.jpg") + len(extra) + 5
    content[at : at + 4] = dictionary_bytes.to_bytes(4, "little")
    path.write_bytes(content)
    return path


def test_a_tar_whose_dictionary_takes_much_memory_is_refused_and_the_largest_usual_one_is_read(tmp_path: Path) -> None:
    tar = write_tar(tmp_path / "plain.tar", "a.jpg").read_bytes()
    usual, old, large = (tmp_path / name for name in ("usual.tar.xz", "old.tar.xz", "large.tar.xz"))
    usual.write_bytes(lzma.compress(tar, preset=9))
    old.write_bytes(lzma.compress(tar, format=lzma.FORMAT_ALONE))
    large.write_bytes(xz_of(tar, 2**30))

    assert [picture.content for picture in read(listed(usual, old))] == [b"a.jpg"] * 2
    with pytest.raises(Failed, match=r"large\.tar\.xz needs more than the 128 MiB of memory that unpacking may take"):
        listed(large)


def test_a_tar_in_several_streams_is_read_whole_and_each_of_them_is_bounded(tmp_path: Path) -> None:
    tar = write_tar(tmp_path / "plain.tar", "a.jpg", "b.jpg").read_bytes()
    padded, large = tmp_path / "padded.tar.xz", tmp_path / "large.tar.xz"
    padded.write_bytes(lzma.compress(tar[:700]) + lzma.compress(tar[700:]) + bytes(8))
    large.write_bytes(lzma.compress(tar[:700]) + xz_of(tar[700:], 2**30))

    assert [picture.name for picture in read(listed(padded))] == ["a.jpg", "b.jpg"]
    with pytest.raises(Failed, match="128 MiB of memory"):
        listed(large)


@pytest.mark.parametrize("extra", [b"", b"\xfe\xca\x04\x00abcd"])
def test_a_zip_with_a_member_whose_dictionary_takes_much_memory_is_refused(tmp_path: Path, extra: bytes) -> None:
    usual = write_zip_of(tmp_path / "usual.zip", 2**26, extra=extra)
    large = write_zip_of(tmp_path / "large.zip", 2**32 - 1, extra=extra)

    assert [picture.content for picture in read(listed(usual))] == [b"a.jpg", b"b.jpg"]
    with pytest.raises(Failed, match=r"large\.zip needs more than the 128 MiB of memory that unpacking may take"):
        listed(large)


def test_a_zip_that_became_one_with_a_large_dictionary_meanwhile_fails_where_it_is_read(tmp_path: Path) -> None:
    lines = listed(write_zip_of(tmp_path / "x.zip", 2**20))
    write_zip_of(tmp_path / "x.zip", 2**32 - 1)

    with pytest.raises(Failed, match="128 MiB of memory"):
        read(lines)


def test_a_member_packed_in_a_way_that_is_not_read_here_is_a_broken_one(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "x.zip", "a.jpg", "b.jpg")
    content = path.read_bytes()
    zstd = (93).to_bytes(2, "little")
    at, listed_at = content.index(b"PK\3\4") + 8, content.index(b"PK\1\2") + 10
    path.write_bytes(content[:at] + zstd + content[at + 2 : listed_at] + zstd + content[listed_at + 2 :])

    assert [picture.problem for picture in read(listed(path))] == ["the file cannot be read", ""]


@pytest.mark.parametrize("name", ["x.zip", "x.tar", "x.tar.gz", "x.tgz", "x.tar.xz"])
@pytest.mark.parametrize("content", [b"", b"nonsense" * 100, b"PK\3\4" + bytes(600), b"\x1f\x8b\x08" + bytes(600)])
def test_a_broken_archive_is_said_to_be_one(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)

    if not content and name == "x.tar":
        pytest.skip("an empty file is an empty tar, says Python")
    with pytest.raises(Failed, match="cannot be read"):
        listed(tmp_path / name)


def test_a_tar_that_is_cut_fails_where_it_is_listed(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "cut.tar", *(f"{number}.jpg" for number in range(20)))
    path.write_bytes(path.read_bytes()[:5_700])

    with pytest.raises(Failed, match="cannot be read"):
        listed(path)


def test_a_single_file_is_a_source_whatever_its_name(tmp_path: Path) -> None:
    (tmp_path / "picture").write_bytes(b"x")

    assert list(entries_of(tmp_path / "picture", LIMITS)) == [Entry("picture", str(tmp_path / "picture"))]


@pytest.mark.parametrize("name", ["gone.zip", "gone.tar"])
def test_an_archive_that_is_gone_is_said_to_be_so(tmp_path: Path, name: str) -> None:
    path = (write_zip if name.endswith(".zip") else write_tar)(tmp_path / name, "a.jpg")
    lines = listed(path)
    path.unlink()

    with pytest.raises(Failed, match=f"{name} cannot be read: it is gone"):
        read(lines)
