"""JSON Lines by bytes: who counts in pieces and who reads the whole find the same lines."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from quantumjob_contract.pubs.json_lines import LineCounter, spans

TEXT = st.lists(st.sampled_from([b"{}", b"\n", b"\n\n", b" ", b"\t\r\n", b"x y", b"\r"]), max_size=30).map(b"".join)


@given(TEXT, st.lists(st.integers(0, 60), max_size=5))
def test_counted_in_pieces_as_read_in_whole(data: bytes, cuts: list[int]) -> None:
    counter = LineCounter()
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    for start, end in itertools.pairwise(places):
        counter.add(data[start:end])
    found = [data[span] for span in spans(data)]
    assert counter.lines == len(found)
    assert found == [line for line in data.split(b"\n") if line.strip(b" \t\r")]
