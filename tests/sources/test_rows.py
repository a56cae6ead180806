"""Rows of CSV and JSON Lines: the same records however the bytes are cut."""

import csv
import io
import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamrnn.errors import InputError
from streamrnn.sources import rows
from streamrnn.sources.rows import FormName, form_of


def values(form_name: FormName, content: bytes, cuts: list[int] | None = None) -> list[bytes | None]:
    """All record values, from pieces that end at `cuts`, row by row or block by block."""
    form = form_of(form_name)
    found: list[bytes | None] = []
    rest = b""
    edges = [0, *sorted(min(cut, len(content)) for cut in cuts or []), len(content)]
    for first, last in pairwise(edges):
        whole, rest = form.split(rest + content[first:last])
        if whole := form.begin(whole):
            found += form.values(whole)
    if rest and (whole := form.begin([rest])):
        found += form.values(whole)
    return found


def objects(content: bytes) -> list[object]:
    return [None if value is None else json.loads(value) for value in values("csv", content)]


# --- JSON Lines -----------------------------------------------------------------------------------


def test_json_lines_are_passed_on_as_they_are():
    content = b'{"a": 1}\r\n\xff\xfe not utf-8\n\n   \n{"b":"\xc3\xa9"}'
    assert values("jsonl", content) == [b'{"a": 1}', b"\xff\xfe not utf-8", None, None, b'{"b":"\xc3\xa9"}']


def test_a_byte_order_mark_is_not_part_of_the_first_record():
    assert values("jsonl", b'\xef\xbb\xbf{"a":1}\n{"a":2}\n') == [b'{"a":1}', b'{"a":2}']
    assert objects(b"\xef\xbb\xbfa,b\n1,2\n") == [{"a": 1, "b": 2}]


# --- CSV ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("1", b"1"),
        ("-2.50", b"-2.50"),
        ("1e-3", b"1e-3"),
        ("0", b"0"),
        ("12345678901234567890123", b"12345678901234567890123"),
        (" 7 ", b"7"),
        ("+5", b"5"),
        (".5", b"0.5"),
        ("-.5", b"-0.5"),
        ("5.", b"5.0"),
        ("5.e2", b"5.0e2"),
        ("", b"null"),
        ("  ", b"null"),
        ("007", b'"007"'),
        ("1.2.3", b'"1.2.3"'),
        ("1e", b'"1e"'),
        (".", b'"."'),
        ("-", b'"-"'),
        ("e5", b'"e5"'),
        ("1_000", b'"1_000"'),
        ("٣", '"٣"'.encode()),
        ("nan", b'"nan"'),
        ("Infinity", b'"Infinity"'),
        ("true", b'"true"'),
        (" text ", b'" text "'),
        ("2011-01-01T00:00:00", b'"2011-01-01T00:00:00"'),
        ('say "hi"\\', b'"say \\"hi\\"\\\\"'),
        ("tab\there", b'"tab\\there"'),
    ],
)
def test_a_cell_becomes_a_number_null_or_text(cell, expected):
    content = io.StringIO()
    csv.writer(content).writerows([["x", "y"], [cell, 1]])
    assert values("csv", content.getvalue().encode()) == [b'{"x":' + expected + b',"y":1}']


NUMBERS = ["1", "-2.5", "3e4", "0"]


@given(
    cells=st.lists(
        st.sampled_from([*NUMBERS, "", "+5", "007", " 7", "x", "1,2", "1\n2", "-", "1e999"]), min_size=1
    ),
    split=st.integers(0, 20),
)
def test_what_a_cell_becomes_does_not_depend_on_its_neighbours(cells, split):
    """A column of plain numbers takes a short cut; any block of rows must give what single rows give."""
    content = io.StringIO()
    csv.writer(content, lineterminator="\n").writerows([["x", "y"], *([cell, 1] for cell in cells)])
    alone = form_of("csv")
    whole, _ = alone.split(content.getvalue().encode())
    single = [value for row in alone.begin(whole) for value in alone.values([row])]
    assert values("csv", content.getvalue().encode(), [split]) == single
    for value in single:
        json.loads(value)


def parsed(cell: str) -> object:
    """Oracle for plain cells: Python's own reading of JSON."""
    if not cell.strip():
        return None
    return json.loads(cell) if cell in NUMBERS else cell


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), max_size=8).filter(
    lambda text: not rows._LOOSE_NUMBER.fullmatch(text.strip())
)
AWKWARD = st.sampled_from([*NUMBERS, "x\ny", '"', 'a"\n"b', ",", ";\n", "\t", ""])
TABLE = st.lists(st.tuples(*[st.one_of(AWKWARD, TEXT)] * 3), max_size=12)


@given(table=TABLE, cuts=st.lists(st.integers(0, 400), max_size=5), delimiter=st.sampled_from(",;\t"))
def test_a_table_that_was_written_is_read_back_from_any_pieces(table, cuts, delimiter):
    """Quoted delimiters, quotes and line ends included; the oracle is csv.writer."""
    content = io.StringIO()
    writer = csv.writer(content, delimiter=delimiter, lineterminator="\n")
    writer.writerows([["a", "b c", '%s"é'], *table])
    found = values("csv", content.getvalue().encode(), cuts)
    assert [json.loads(value) for value in found] == [
        dict(zip(["a", "b c", '%s"é'], map(parsed, row), strict=True)) for row in table
    ]


def test_line_ends_of_windows_are_line_ends():
    assert objects(b'a,b\r\n1,x\r\n"2","y\r\nz"\r\n') == [{"a": 1, "b": "x"}, {"a": 2, "b": "y\r\nz"}]


def test_rows_with_too_few_or_too_many_cells_become_arrays_and_blank_ones_nothing():
    assert objects(b"a,b\n1,2\n3\n\n4,5,6\n7,8") == [
        {"a": 1, "b": 2},
        ["3"],
        None,
        ["4", "5", "6"],
        {"a": 7, "b": 8},
    ]


def test_a_blank_row_of_a_single_column_is_blank():
    assert objects(b"a\n1\n\n2\n") == [{"a": 1}, None, {"a": 2}]


def test_a_quote_inside_a_cell_is_text_and_spoils_no_other_row():
    assert objects(b'a,b\n5" pipe,1\nx,2\n"y"z,3\n') == [
        {"a": '5" pipe', "b": 1},
        {"a": "x", "b": 2},
        {"a": "yz", "b": 3},
    ]


def test_a_stray_carriage_return_spoils_only_its_own_row():
    assert objects(b"a,b\n1,2\nx\ry,3\n4,5\n") == [{"a": 1, "b": 2}, ["x\ry,3"], {"a": 4, "b": 5}]


def test_bytes_that_are_not_utf8_come_out_as_they_went_in():
    assert values("csv", b"a,b\n\xff\xfe,1\n2,3\n") == [b'{"a":"\xff\xfe","b":1}', b'{"a":2,"b":3}']


def test_a_quote_that_is_never_closed_is_an_error_not_an_endless_row(monkeypatch):
    monkeypatch.setattr(rows, "_LONGEST", 1000)
    with pytest.raises(InputError, match=r"not closed in the CSV row that starts with '\"x,1"):
        values("csv", b'a,b\n1,2\n"x,1\n' + b"1,2\n" * 1000)


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        (b"a,b,a\n", "the name a stands twice"),
        (b"a,,c\n", "column 2 has no name"),
        (b"a\rb,c\n", "not one of CSV"),
    ],
)
def test_a_header_that_cannot_name_columns_is_refused(header, problem):
    with pytest.raises(InputError, match=problem):
        values("csv", header + b"1,2,3\n")


@pytest.mark.parametrize("content", [b"", b"a,b", b"a,b\n"])
def test_a_file_without_rows_has_no_records(content):
    assert values("csv", content) == []
