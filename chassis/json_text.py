"""JSON as somebody else wrote it."""

from __future__ import annotations

import msgspec

UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for a text that is no JSON, is none of the type that is wanted, or holds what is no UTF-8."""
