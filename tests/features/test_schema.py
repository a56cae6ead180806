"""What decodes, what does not, and why; against the standard library's reading of JSON."""

import json
import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from streamrnn.features import Calendar, Category, Number, Reject, Schema, Target, fields_of
from streamrnn.types import Record

SPECS = (Number("a"), Category("kind"), Calendar("time"), Calendar("seen"))
NUMBER = Target(("y",), "number")
BINARY = Target(("y",), "classes", classes=("0", "1"))
GOOD = {"key": "s1", "time": "2024-05-01T12:00:00Z", "seen": None, "a": 1.5, "kind": "x", "y": 2}


def make(target: Target = NUMBER, specs=SPECS, **options) -> Schema:
    options = {"key": "key", "time": "time", **options}
    return Schema(fields_of(specs, target), target, **options)


def decode(*values: bytes | None, schema: Schema | None = None):
    return (schema or make()).decode([Record(i, None, value) for i, value in enumerate(values)])


def encoded(**changes) -> bytes:
    return json.dumps({**GOOD, **changes}).encode()


def without(name: str) -> bytes:
    return json.dumps({field: value for field, value in GOOD.items() if field != name}).encode()


def test_good_records_become_columns_and_bad_ones_keep_their_place():
    block = decode(
        encoded(),
        b"{",
        encoded(key=7, time=0, seen=86400.5, a=None, kind=True, y=None),
        None,
        encoded(key=True, kind=None, a=3, ignored={"x": [1]}),
    )
    assert block.rows.tolist() == [0, 2, 4]
    assert [(reject.index, reject.reason) for reject in block.rejects] == [(1, "not_json"), (3, "null_value")]
    assert block.keys == ["s1", "7", "true"]
    noon = 1714564800.0
    np.testing.assert_array_equal(block.time, [noon, 0.0, noon])
    np.testing.assert_array_equal(block.times, [[noon, 0.0, noon], [math.nan, 86400.5, math.nan]])
    np.testing.assert_array_equal(block.numbers, [[1.5, math.nan, 3.0]])
    assert block.categories == [["x", "true", None]]
    np.testing.assert_array_equal(block.label, [[2.0, math.nan, 2.0]])


BAD = {
    "no value": (None, "null_value", "no value"),
    "too large": (b" " * 1_000_001, "too_large", "1000001 bytes; at most 1000000"),
    "an endless key": (
        encoded(key="é" * 32_769),
        "too_large",
        "a key of 65538 bytes; at most 65536 are published",
    ),
    "bad utf-8 in a key": (encoded().replace(b"s1", b"s\xff"), "bad_utf8", "byte"),
    "bad utf-8 in a field that is not read": (encoded(z="?").replace(b"?", b"\xc3("), "bad_utf8", "byte"),
    "a lone surrogate": (encoded().replace(b"s1", b"\\ud800"), "not_json", "malformed"),
    "empty": (b"", "not_json", "Expecting value"),
    "truncated": (encoded()[:-1], "not_json", "Expecting"),
    "two objects": (encoded() + encoded(), "not_json", "Extra data"),
    "deeply nested": (encoded(z=0)[:-2] + b"[" * 101 + b"]" * 101 + b"}", "not_json", "deeper than 100"),
    "very deeply nested": (b"[" * 400_000, "not_json", "deeper than 100"),
    "a number": (b"1", "not_an_object", "got 1"),
    "an array": (b"[{}]", "not_an_object", "got [{}]"),
    "null": (b"null", "not_an_object", "got null"),
    "no key": (without("key"), "missing_field", "key"),
    "no time": (without("time"), "missing_field", "time"),
    "no number": (without("a"), "missing_field", "a"),
    "no category": (without("kind"), "missing_field", "kind"),
    "null key": (
        encoded(key=None),
        "wrong_type",
        "key: expected a string or an integer or true or false, got null",
    ),
    "null time": (encoded(time=None), "wrong_type", "time: expected a number or a string, got null"),
    "fraction as key": (encoded(key=1.5), "wrong_type", "key"),
    "nested number": (encoded(a={"b": [1]}), "wrong_type", 'a: expected a number, got {"b": [1]}'),
    "number in quotes": (encoded(a="1"), "wrong_type", 'a: expected a number, got "1"'),
    "truth as number": (encoded(a=True), "wrong_type", "a: expected a number, got true"),
    "truth as label": (encoded(y=True), "wrong_type", "y"),
    "fraction as category": (encoded(kind=1.5), "wrong_type", "kind"),
    "NaN": (encoded(a=math.nan), "not_finite", "a: NaN"),
    "Infinity": (encoded(y=-math.inf), "not_finite", "y: -Infinity"),
    "beyond doubles": (encoded().replace(b"1.5", b"1e999"), "not_finite", "a"),
    "five thousand digits": (encoded().replace(b"1.5", b"1" * 5000), "not_finite", "a"),
    "beyond the bound": (encoded(a=1.01e30), "not_finite", "a: 1.01e+30 is beyond ±1e+30"),
    "words as time": (encoded(time="noon"), "bad_time", 'time: "noon"'),
    "no such day": (encoded(seen="2023-02-29"), "bad_time", 'seen: "2023-02-29"'),
    "milliseconds as text": (encoded(time="1712123112345"), "bad_time", "digits only"),
    "a time beyond dates": (encoded(time=1e12), "bad_time", "beyond the range"),
    "an endless time": (encoded(time=math.inf), "bad_time", "time: Infinity"),
}


@pytest.mark.parametrize(("value", "reason", "detail"), BAD.values(), ids=BAD)
def test_a_bad_record_is_set_aside_with_its_reason(value, reason, detail):
    block = decode(encoded(), value, encoded())
    assert block.rows.tolist() == [0, 2]
    (reject,) = block.rejects
    assert (reject.index, reject.reason) == (1, reason)
    assert detail in reject.detail
    assert len(reject.detail) < 300


def test_the_record_s_own_key_is_bounded_where_it_is_the_one_that_is_published():
    longest = b"k" * 65_536
    records = [Record(0, longest, encoded()), Record(1, longest + b"k", encoded())]
    assert make().decode(records).rejects == []
    (reject,) = make(key=None).decode(records).rejects
    assert (reject.index, reject.reason) == (1, "too_large")


@pytest.mark.parametrize("value", [encoded(y=None), without("y")], ids=["null", "absent"])
def test_a_label_may_be_unknown(value):
    block = decode(value)
    assert not block.rejects
    assert np.isnan(block.label).all()


@pytest.mark.parametrize(("label", "known"), [(0, "0"), (1, "1"), (False, "0"), (True, "1"), (1.0, "1")])
def test_one_of_two_classes_is_zero_or_one(label, known):
    block = decode(encoded(y=label), encoded(y=None), schema=make(BINARY))
    assert block.classes == [known, None]
    assert block.label.shape == (0, 2)


@pytest.mark.parametrize("label", [2, -1, 0.5, "1", [1], 1e40, math.nan])
def test_any_other_of_two_classes_is_refused(label):
    (reject,) = decode(encoded(y=label), schema=make(BINARY)).rejects
    assert reject.reason == "wrong_type"
    assert "expected" in reject.detail


def test_a_class_is_its_canonical_text():
    target = Target(("y",), "classes", bound=5)
    labels = ["red", 7, "7", True, None, ""]
    block = decode(*(encoded(y=label) for label in labels), without("y"), schema=make(target))
    assert block.classes == ["red", "7", "7", "true", None, "", None]
    assert block.label.shape == (0, 7)


@pytest.mark.parametrize(
    ("label", "reason"),
    [(1.5, "wrong_type"), ([1], "wrong_type"), ("x" * 257, "too_large"), (2**63, "too_large")],
    ids=["fraction", "list", "long text", "65 bits"],
)
def test_what_is_no_class_is_refused(label, reason):
    (reject,) = decode(encoded(y=label), schema=make(Target(("y",), "classes", bound=5))).rejects
    assert (reject.reason, reject.detail[:2]) == (reason, "y:")


@pytest.mark.parametrize(
    ("label", "reason", "detail"),
    [
        (-1, "wrong_type", "y: expected a count, got -1"),
        (-0.5, "wrong_type", "y: expected a count, got -0.5"),
        (True, "wrong_type", "y: expected a number, got true"),
        (1e31, "not_finite", "y: 1e+31 is beyond"),
        (math.inf, "not_finite", "y: Infinity is beyond"),
    ],
)
def test_a_count_is_not_negative(label, reason, detail):
    schema = make(Target(("y",), "count"))
    block = decode(encoded(y=label), encoded(y=0), encoded(y=2.5), schema=schema)
    assert block.label.tolist() == [[0.0, 2.5]]
    (reject,) = block.rejects
    assert reject.reason == reason
    assert detail in reject.detail


def test_several_labels_come_in_the_order_of_the_target_and_each_may_be_unknown():
    block = decode(encoded(z=3), encoded(y=None, z=4), schema=make(Target(("z", "y"))))
    np.testing.assert_array_equal(block.label, [[3.0, 4.0], [2.0, math.nan]])


def test_a_text_to_be_cut_into_tokens_must_be_there():
    schema = make(Target(("y",), "tokens", 1), ())
    block = decode(encoded(y="a"), encoded(), encoded(y=None), without("y"), encoded(y=""), schema=schema)
    assert block.texts == ["a", ""]
    assert [reject.reason for reject in block.rejects] == ["wrong_type", "wrong_type", "missing_field"]


# --- labels by id ---------------------------------------------------------------------------------------

BY_ID = Target(("y",), id="id", label_of="of")
LABEL = {"key": "s1", "time": "2024-05-01T12:00:00Z", "of": "e1", "y": 2}


def as_bytes(*events: dict) -> list[bytes]:
    return [json.dumps(event).encode() for event in events]


def test_a_record_with_an_id_is_an_event_and_one_with_that_of_another_brings_its_label():
    event = {**GOOD, "id": "e1"}
    both = {**GOOD, "id": 2, "of": "e1", "y": 3}
    block = decode(*as_bytes(event, LABEL, both), schema=make(BY_ID))
    assert not block.rejects
    assert block.ids == ["e1", None, "2"]
    assert block.label_of == [None, "e1", "e1"]
    np.testing.assert_array_equal(block.label, [[math.nan, 2.0, 3.0]])  # the first event's own comes later
    np.testing.assert_array_equal(block.numbers, [[1.5, math.nan, 1.5]])
    assert block.categories == [["x", None, "x"]]
    assert block.keys == ["s1"] * 3


def test_a_class_that_comes_by_id_is_that_of_another_event():
    target = Target(("y",), "classes", bound=3, id="id", label_of="of")
    block = decode(*as_bytes({**GOOD, "id": "e1", "y": "no"}, {**LABEL, "y": "yes"}), schema=make(target))
    assert block.classes == [None, "yes"]


def test_what_a_label_s_record_has_of_the_features_is_left_out():
    brings = {**LABEL, "a": 1.0, "kind": "x", "seen": "no time at all"}
    block = decode(*as_bytes(brings), schema=make(BY_ID))
    assert not block.rejects
    assert np.isnan(block.numbers).all()
    assert block.categories == [[None]]
    assert np.isnan(block.times[1]).all()


@pytest.mark.parametrize(
    ("record", "reason", "detail"),
    [
        ({**GOOD}, "missing_field", "id: not there, and no label of an earlier event"),
        ({**GOOD, "id": None, "of": None}, "missing_field", "id: not there"),
        ({**LABEL, "y": None}, "missing_field", 'y: null or not there; the label of event "e1" is needed'),
        ({"key": "s1", "time": 0, "id": "e1", "kind": "x", "seen": 0}, "missing_field", "a: not there"),
        ({"time": 0, "of": "e1", "y": 1}, "missing_field", "key"),
        ({"key": "s1", "of": "e1", "y": 1}, "missing_field", "time"),
        ({**LABEL, "of": 1.5}, "wrong_type", "of: expected"),
        ({**GOOD, "id": "x" * 257}, "too_large", "id: 257 characters"),
        ({**LABEL, "a": "text"}, "wrong_type", "a: expected a number"),
    ],
)
def test_a_record_that_is_neither_event_nor_label_is_refused(record, reason, detail):
    (reject,) = decode(*as_bytes(record), schema=make(BY_ID)).rejects
    assert reject.reason == reason
    assert detail in reject.detail


def test_a_field_of_several_uses_must_suit_them_all():
    schema = make(specs=(Number("n"), Category("n"), Calendar("time")), time="time", key="n")
    good, fraction, text, huge = (encoded(n=n) for n in (12, 1.5, "12", 10**40))
    block = decode(good, fraction, text, huge, schema=schema)
    assert (block.keys, block.categories, block.numbers.tolist()) == (["12"], [["12"]], [[12.0]])
    assert [reject.reason for reject in block.rejects] == ["wrong_type", "wrong_type", "not_finite"]


def test_a_forecast_field_that_is_a_feature_must_be_there_and_may_be_null():
    target = Target(("y",), "number", horizon=1)
    schema = make(target, (Number("y"),))
    block = decode(encoded(y=None), without("y"), schema=schema)
    assert np.isnan(block.label).all()
    assert [reject.reason for reject in block.rejects] == ["missing_field"]


def test_without_key_and_time_none_is_needed():
    block = decode(b'{"a":1,"kind":"x","y":3}', schema=make(specs=SPECS[:2], key=None, time=None))
    assert block.keys == [""]
    assert np.isnan(block.time).all()
    assert block.times.shape == (0, 1)


def test_names_need_not_be_identifiers():
    schema = Schema(fields_of((Number("a b"),), Target(("y z",))), Target(("y z",)), key="class")
    block = decode('{"a b": 1, "y z": 2, "class": "ü"}'.encode(), schema=schema)
    assert (block.numbers.tolist(), block.label.tolist(), block.keys) == ([[1.0]], [[2.0]], ["ü"])


def test_rejects_of_all_kinds_come_in_the_order_of_the_records():
    block = decode(encoded(time="?"), b"", encoded(time="?"), None, encoded())
    assert [reject.index for reject in block.rejects] == [0, 1, 2, 3]
    assert block.rows.tolist() == [4]


def test_nesting_within_strings_does_not_count():
    assert not decode(encoded(kind="[" * 500), encoded(kind='\\"[' * 200)).rejects


def test_what_is_valid_does_not_depend_on_the_depth_of_the_call_stack():
    value = encoded(z=json.loads("[" * 99 + "]" * 99))

    def deeper(levels: int) -> list[Reject]:
        return deeper(levels - 1) if levels else decode(value).rejects

    assert deeper(0) == deeper(300) == []


# --- the typed decoder against the standard library -----------------------------------------------------

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=2))
objects = st.fixed_dictionaries(
    {}, optional={name: st.just(value) | values for name, value in GOOD.items()} | {"other": values}
)


def judged_by_hand(record: dict) -> bool:
    """Valid or not, by the promises in `Schema`'s docstring."""

    def text_or_whole(value: object) -> bool:
        return type(value) in (str, int, bool)

    def number(value: object) -> bool:
        return type(value) in (int, float) and abs(value) <= 1e30

    def time(value: object) -> bool:
        return value == GOOD["time"] if isinstance(value, str) else number(value) and -62e9 < value < 253e9

    checks = {
        "key": text_or_whole,
        "time": time,
        "a": number,
        "kind": text_or_whole,
        "seen": time,
        "y": number,
    }
    for name, check in checks.items():
        if name not in record:
            if name != "y":
                return False
        elif record[name] is None:
            if name in ("key", "time"):
                return False
        elif not check(record[name]):
            return False
    other = json.dumps(record.get("other"))
    return "NaN" not in other and "Infinity" not in other


@settings(max_examples=200, deadline=None)
@given(objects)
@example({**GOOD, "kind": 10**300})
def test_the_decoder_takes_what_the_rules_allow_and_nothing_else(record):
    block = decode(json.dumps(record).encode())
    assert (len(block) == 1) == judged_by_hand(record), block.rejects


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=40) | st.builds(lambda cut: encoded()[:cut], st.integers(0, 80)))
def test_any_bytes_give_a_row_or_a_reason(value):
    block = decode(value, encoded())
    assert len(block) + len(block.rejects) == 2
    assert block.rows[-1] == 1
