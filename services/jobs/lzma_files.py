"""What is packed with LZMA, unpacked within a bound of memory: its packer says how much it takes, up to 4 GiB.

``xz -9``, and 7-Zip's ultra, ask for 65 MiB; what needs more than the bound is refused before any of it is unpacked.
"""

from __future__ import annotations

import io
import lzma
import zipfile
from pathlib import Path
from typing import IO, Any

from services.jobs.context import Failed

_MOST_BYTES = 128 * 2**20
_CHUNK_BYTES = 2**16
_LOCAL_HEADER_BYTES = 30  # of a zip's member, before its name


def open_lzma(path: Path, mode: str) -> IO[bytes]:
    """Open an ``.xz`` or ``.lzma`` file to be read unpacked; to read raises Failed, LZMAError or EOFError."""
    return io.BufferedReader(_Unpacked(path.name, path.open(mode)))


def check_member(name: str, packed: IO[bytes], member: zipfile.ZipInfo) -> None:
    """Raise Failed where *member* of the zip *packed*, called *name*, has too large a dictionary of LZMA."""
    if member.compress_type != zipfile.ZIP_LZMA:
        return
    packed.seek(member.header_offset)
    header = packed.read(_LOCAL_HEADER_BYTES)
    packed.seek(int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little"), io.SEEK_CUR)
    properties = packed.read(9)  # the packer's version, the length of what follows, one byte, the dictionary's size
    if int.from_bytes(properties[5:9], "little") > _MOST_BYTES:
        raise _needs_memory(name)


def _needs_memory(name: str) -> Failed:
    return Failed(
        f"{name} needs more than the {_MOST_BYTES // 2**20} MiB of memory that unpacking may take: "
        "pack it with a smaller dictionary (xz -9 has 64 MiB)"
    )


class _Unpacked(io.RawIOBase):
    """The streams of a packed file, one behind the other; what follows the last and is none is passed over."""

    def __init__(self, name: str, packed: IO[bytes]) -> None:
        self._name, self._packed, self._unpacker = name, packed, _unpacker()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = b""
        while not data:
            if self._unpacker.eof:
                packed = self._unpacker.unused_data or self._packed.read(_CHUNK_BYTES)
                if not packed:
                    break
                self._unpacker = _unpacker()
                try:
                    data = self._unpack(packed, len(buffer))
                except lzma.LZMAError:
                    break
            else:
                data = self._unpack(self._more(), len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _more(self) -> bytes:
        """Return what is to be unpacked next; nothing while the unpacker still has some."""
        if not self._unpacker.needs_input:
            return b""
        packed = self._packed.read(_CHUNK_BYTES)
        if not packed:
            raise EOFError("it ends before its end marker")
        return packed

    def _unpack(self, packed: bytes, most_bytes: int) -> bytes:
        try:
            return self._unpacker.decompress(packed, most_bytes)
        except lzma.LZMAError as error:
            if "Memory usage limit" in str(error):  # the module has no other name for it
                raise _needs_memory(self._name) from error
            raise

    def close(self) -> None:
        self._packed.close()
        super().close()


def _unpacker() -> lzma.LZMADecompressor:
    return lzma.LZMADecompressor(memlimit=_MOST_BYTES)
