"""The side cache: a unit comes back as it was, or not at all."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from objabn.system.cache import Cache, digest, unit_key

PAYLOAD = b"sixteen planes.."
KEY = unit_key(content="ab", threshold=0.5)


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path)


@pytest.mark.parametrize("payload", [PAYLOAD, b"", bytes(range(256)) * 100])
def test_roundtrip(cache, payload):
    cache.store("masks", KEY, payload)
    assert cache.load("masks", KEY) == payload
    assert Cache(cache.root).load("masks", KEY) == payload


def test_a_unit_is_stored_under_its_kind_and_key(cache):
    cache.store("masks", KEY, PAYLOAD)
    assert [path for path in cache.root.rglob("*") if path.is_file()] == [cache.root / "masks" / KEY[:2] / KEY]
    assert cache.load("checkpoints", KEY) is None
    assert cache.load("masks", unit_key(content="ab", threshold=0.6)) is None


def test_whether_a_unit_is_there_is_told_without_its_content(cache):
    assert not cache.has("masks", KEY)
    for payload in (b"", PAYLOAD):
        cache.store("masks", KEY, payload)
        assert cache.has("masks", KEY)
    assert not cache.has("checkpoints", KEY)
    cache.path("masks", KEY).write_bytes(b"")  # as a power failure may leave it
    assert not cache.has("masks", KEY)


def test_the_latest_unit_counts(cache):
    cache.store("masks", KEY, b"old")
    cache.store("masks", KEY, PAYLOAD)
    assert cache.load("masks", KEY) == PAYLOAD


def test_a_flipped_byte_counts_as_absent(cache):
    cache.store("masks", KEY, PAYLOAD)
    path = cache.path("masks", KEY)
    whole = path.read_bytes()
    for position in range(len(whole)):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        assert cache.load("masks", KEY) is None, position
    path.write_bytes(whole)
    assert cache.load("masks", KEY) == PAYLOAD


def test_a_file_of_another_length_counts_as_absent(cache):
    cache.store("masks", KEY, PAYLOAD)
    path = cache.path("masks", KEY)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert cache.load("masks", KEY) is None, length
    path.write_bytes(whole + b"\0")
    assert cache.load("masks", KEY) is None


@pytest.mark.parametrize(
    "parts",
    [
        {"content": "abc", "threshold": 0.5},
        {"content": "ab", "threshold": 0.25},
        {"content": "ab", "threshold": None},
        {"content": "ab", "threshold": "0.5"},
        {"content": "ab", "limit": 0.5},
        {"content": "ab"},
        {"content": "ab", "threshold": 0.5, "version": 2},
    ],
)
def test_any_other_part_is_another_key(parts):
    assert unit_key(**parts) != KEY


def test_the_order_of_parts_does_not_matter():
    assert unit_key(threshold=0.5, content="ab") == KEY


values = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
some_parts = st.dictionaries(st.text(min_size=1), values | st.lists(values, max_size=3), max_size=4)


@given(one=some_parts, other=some_parts)
def test_keys_are_equal_for_equal_parts_only(one, other):
    assert (unit_key(**one) == unit_key(**other)) == (repr(sorted(one.items())) == repr(sorted(other.items())))
    assert unit_key(**one) == unit_key(**dict(reversed(one.items())))


def test_keys_are_hex_of_a_128_bit_digest():
    assert len(bytes.fromhex(KEY)) == len(digest(b"")) == 16


def test_the_root_is_the_environments(tmp_path, monkeypatch):
    monkeypatch.setenv("OBJABN_CACHE", str(tmp_path / "shared"))
    Cache().store("masks", KEY, PAYLOAD)
    assert (tmp_path / "shared" / "masks" / KEY[:2] / KEY).is_file()
    assert Cache(tmp_path / "own").root == tmp_path / "own"


def test_without_the_variable_it_is_in_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OBJABN_CACHE", raising=False)
    Cache().store("masks", KEY, PAYLOAD)
    assert (tmp_path / ".cache" / "masks" / KEY[:2] / KEY).is_file()
    monkeypatch.setenv("OBJABN_CACHE", "")
    assert Cache().root == Path(".cache")
