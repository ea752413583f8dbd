"""The type of an image by its first bytes; a file's name and its declared type are not asked."""

from __future__ import annotations

from chassis.errors import UnsupportedMedia

ACCEPTED = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP")
_STARTS = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"BM", "BMP"),
)


def kind(payload: bytes) -> str:
    """Return the type of *payload*, one of ACCEPTED; UnsupportedMedia for anything else."""
    if payload[:4] == b"RIFF" and payload[8:12] == b"WEBP":
        return "WEBP"
    for start, name in _STARTS:
        if payload.startswith(start):
            return name
    if not payload:
        raise UnsupportedMedia("the image is empty (0 bytes)")
    raise UnsupportedMedia(f"not an image of a type that is read here: {', '.join(ACCEPTED)} by content")
