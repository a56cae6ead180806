"""Targets that mean something, and those that do not."""

import pytest

from streamrnn.features import Target


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": ()}, "a task of number has one label field; got 0"),
        ({"labels": ("c", "d"), "kind": "classes", "bound": 3}, "one label field; got 2"),
        ({"labels": ("n", "m"), "kind": "count"}, "one label field; got 2"),
        ({"labels": ("y", "y")}, "named twice: y, y"),
        ({"kind": "count", "reference": "last"}, "not learned as a change"),
        ({"reference": "season"}, "season: None does not reach back"),
        (
            {"reference": "season", "season": 2, "horizon": 3},
            "season: 2 does not reach back from the target 3",
        ),
        ({"kind": "classes"}, "0 classes; expected at least 2"),
        ({"kind": "classes", "classes": ("a",)}, "1 classes; expected at least 2"),
        ({"kind": "classes", "classes": ("a", "b", "a")}, "declared twice"),
        ({"kind": "tokens"}, "one step ahead; got 0"),
        ({"id": "id"}, "belong together"),
        ({"label_of": "id"}, "belong together"),
        ({"id": "id", "label_of": "of", "horizon": 1}, "horizon must be 0"),
    ],
)
def test_a_target_that_makes_no_sense_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Target(**{"labels": ("y",), **options})


@pytest.mark.parametrize(
    ("target", "count"),
    [
        (Target(("y",)), 0),
        (Target(("y",), "classes", classes=("0", "1")), 2),
        (Target(("y",), "classes", classes=("a", "b", "c")), 3),
        (Target(("y",), "classes", bound=5), 5),
        (Target(("y",), "tokens", 1), 256),
        (Target(("y",), "tokens", 1, classes=("a", "b", "c")), 4),
    ],
)
def test_a_target_knows_how_many_classes_it_has(target, count):
    assert target.class_count == count


def test_only_the_classes_0_and_1_are_binary():
    assert Target(("y",), "classes", classes=("0", "1")).binary
    assert not Target(("y",), "classes", classes=("1", "0")).binary
    assert not Target(("y",), "classes", bound=2).binary
    assert not Target(("y",)).binary
