"""The hash of a file is that of its bytes."""

import pytest

from gliofield.file_hash import file_sha256


def test_the_hash_is_that_of_the_content(tmp_path):
    """The published digest of "abc" (FIPS 180-2, appendix B.1), whatever the file is called."""
    (tmp_path / "one.txt").write_bytes(b"abc")

    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert file_sha256(tmp_path / "one.txt") == digest


def test_a_file_that_is_not_there_has_none(tmp_path):
    """Callers say what that means."""
    with pytest.raises(FileNotFoundError, match="none"):
        file_sha256(tmp_path / "none")
