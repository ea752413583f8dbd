"""A Python that was built without optimisations is recognised by how it was configured."""

from __future__ import annotations

import pytest

from chassis.interpreter import optimised

UPSTREAMS_FLAG = "-fprofile-use -fprofile-correction"


@pytest.mark.parametrize(
    ("options", "profile_flag", "expected"),
    [
        ("'--prefix=/root/.pyenv/versions/3.11.7' '--enable-shared'", UPSTREAMS_FLAG, False),
        ("'--prefix=/usr/local' '--enable-optimizations' '--with-lto'", UPSTREAMS_FLAG, True),
        ("'--enable-shared' '--prefix=/usr' '--with-computed-gotos'", "", True),  # Debian's
        (None, None, True),
    ],
    ids=["pyenv", "container image", "Debian", "nothing known"],
)
def test_it_is_known_by_its_configuration(options: str | None, profile_flag: str | None, expected: bool) -> None:
    assert optimised(options, profile_flag) is expected
