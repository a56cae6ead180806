"""Reading a configuration: what is accepted, and what people are told when something is not."""

from pathlib import Path

import pytest

from streamrnn.config import load, parse
from streamrnn.config.models import Config, Forecast, GrowingWindow, KafkaSourceChoice, SgdChoice
from streamrnn.errors import ConfigError

PEDESTRIANS = """\
task:      {forecast: count, horizon: 1, season: 168}
key:       sensor
time:      timestamp
features:
  - {number: count}
  - {calendar: timestamp, parts: [hour, weekday], zone: Australia/Melbourne}
  - {lags: count, steps: [1, 24, 168]}      # counted back from the target
networks:
  - {name: one-step, cell: gru, hidden: 64, window: 1}
  - {name: growing, cell: gru, hidden: 64, window: {grow: [1, 16], by: plateau}}
source:    {kafka: {bootstrap_servers: "127.0.0.1:9092", topic: pedestrians, group: melbourne}}
sink:      {kafka: {topic: pedestrians.predictions, dead_letters: pedestrians.dead}}
snapshots: {store: ./snapshots, every: 30s}
"""
SMALL = "task: {forecast: y}\nfeatures:\n- {number: y}\n"
KAFKA = SMALL + "source:\n  kafka:\n    topic: t\n    group: g\n"


def problems(text: str, *overrides: str, **environ: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(text, "c.yaml", overrides, environ)
    return str(caught.value).splitlines()


def kafka(config: Config) -> KafkaSourceChoice:
    assert isinstance(config.source, KafkaSourceChoice)
    return config.source


def test_the_documented_shape_is_read_whole() -> None:
    config = parse(PEDESTRIANS, "c.yaml")
    assert config.task == Forecast(forecast="count", horizon=1, season=168)
    assert [network.name for network in config.networks] == ["one-step", "growing"]
    assert config.networks[1].window == GrowingWindow(grow=(1, 16), by="plateau")
    assert config.networks[0].learning_rate.rate == 1e-3
    assert config.snapshots.every == 30.0
    assert kafka(config).kafka.group == "melbourne"


def test_two_lines_are_a_configuration() -> None:
    config = parse(SMALL, "c.yaml")
    assert (config.networks[0].name, config.networks[0].window, config.delivery) == (
        "one-step",
        1,
        "exactly_once",
    )


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("tsak: 1", "tsak: unknown; did you mean task?"),
        ("networks: [{name: a, hiden: 3}]", "networks.0.hiden: unknown; did you mean hidden?"),
        ("networks: [{name: a, xyz: 3}]", "networks.0.xyz: unknown; known here: name, window, "),
        ("networks: [{name: a, hidden: big}]", 'networks.0.hidden: expected a whole number, not "big"'),
        ("networks: [{name: a, hidden: true}]", "networks.0.hidden: expected a whole number, not true"),
        ("networks: [{name: a, hidden: 0}]", "networks.0.hidden: expected greater than or equal to 1, not 0"),
        ("networks: [{name: a, window: soon}]", 'networks.0.window: expected a whole number, not "soon"'),
        ("networks: [{name: a, window: {grow: [4, 4]}}]", "networks.0.window.grow: [4, 4] does not grow"),
        ("networks: [{name: a, window: 2, stride: 3}]", "networks.0.window: 2 is shorter than stride: 3"),
        ("networks: [{name: a}, {name: a}]", "networks.1.name: a stands twice; names must differ"),
        ("networks: [{name: mix}]", "networks.0.name: mix is the name of something else in the mix"),
        ("networks: [{cell: gru}]", "networks.0.name: missing"),
        ("networks: []", "networks: expected at least one entry"),
        ("snapshots: {every: soon}", "snapshots.every: expected a duration such as 250ms, 30s"),
        ("snapshots: {every: 0}", "snapshots.every: expected greater than 0, not 0"),
        ("scaling: {half_life: .inf}", "scaling.half_life: expected a finite number"),
        (
            "delivery: exactly_onse",
            'delivery: expected exactly_once or at_least_once, not "exactly_onse"; did you mean exactly_',
        ),
        ("source: {kafka: {topic: t}}", "source.kafka.group: missing"),
        (
            "source: {kafka: {topic: all, merge: [a, all], group: g}}",
            "source.kafka.merge: all is the topic that is copied into; leave it out",
        ),
        (
            "source: {kafka: {topic: all, merge: [a, b, a], group: g}}",
            "source.kafka.merge: a topic stands twice",
        ),
        ("source: {kafak: {topic: t}}", "source.kafak: unknown; did you mean kafka?"),
        ("source: 7", "source: expected a mapping with one of: kafka, file, stdin"),
        (
            "source: {file: x, stdin: csv}",
            "source.stdin: cannot stand beside another kind (kafka, file); keep one",
        ),
        ("http: 8080", "http: expected a mapping of fields, not 8080"),
        ("key: [a]", 'key: expected a text, not ["a"]'),
    ],
)
def test_a_mistake_is_named_with_line_path_and_what_to_write(line: str, problem: str) -> None:
    [found] = problems(SMALL + line)
    assert found.startswith(f"c.yaml:4: {problem}")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "task: {forecast: y, horizon: 3}\nfeatures:\n- {number: y}\n- {lags: y, steps: [24, 2]}",
            "c.yaml:4: features.1.steps: lag 2 is not known 3 ahead; steps must be >= 3",
        ),
        (
            "task: {forecast: y}\nfeatures:\n- {nummber: y}",
            "c.yaml:3: features.0.nummber: unknown; did you mean number?",
        ),
        (
            "task: {forecast: y}\nfeatures:\n- {number: y, bound: 3}",
            "c.yaml:3: features.0.bound: unknown; known here: number",
        ),
        (
            "task: {forecast: y}\nfeatures:\n- {calendar: t, parts: [hours]}",
            "c.yaml:3: features.0.parts.0: expected minute, hour, weekday, day, month or yearday, "
            'not "hours"; did you mean hour?',
        ),
        (
            "task: {forecast: y}\nfeatures:\n- {calendar: t, zone: Europe/Pariss}",
            "c.yaml:3: features.0.zone: unknown time zone Europe/Pariss; did you mean Europe/Paris?",
        ),
        (
            "task: {regression: y}\nfeatures:\n- {number: x}\n- {number: y}",
            "c.yaml:4: features.1: y is the label of the same event; use previous: y",
        ),
        *(
            (
                f"task: {{regression: y}}\nfeatures: [{{{feature}: y}}]",
                "c.yaml:2: features.0: y is the label of the same event; use previous: y",
            )
            for feature in ("category", "calendar", "elapsed")
        ),
        (
            "task: {binary: y}\nkey: y\nfeatures: [{number: x}]",
            "c.yaml:2: key: y is the label of the same event; its key would give it away",
        ),
        (
            "task: {binary: y}\nfeatures:\n- {previous: x}",
            "c.yaml:3: features.0.previous: x is not the task's field",
        ),
        (
            "task: {forecast: y, reference: season}\nfeatures: [{number: y}]",
            "c.yaml:1: task.reference: season needs a season, for example season: 24",
        ),
        (
            "task: {forecast: y, horizon: 9, season: 7}\nfeatures: [{number: y}]",
            "c.yaml:1: task.season: 7 is shorter than horizon: 9",
        ),
        (
            "task: {forecats: y}\nfeatures: [{number: y}]",
            "c.yaml:1: task.forecats: unknown; did you mean forecast?",
        ),
        ("features: [{number: y}]", "c.yaml: task: missing"),
    ],
)
def test_parts_that_do_not_fit_together_are_named(text: str, problem: str) -> None:
    [found] = problems(text)
    assert problem in found


def test_all_problems_are_told_at_once_in_the_order_of_the_file() -> None:
    text = "task: {forecast: y, horizn: 2}\nkey: 5\nfeatures:\n- {number: y}\nbatch: 0\nhtp: 1\n"
    assert [line.split(": ")[:2] for line in problems(text)] == [
        ["c.yaml:1", "task.horizn"], ["c.yaml:2", "key"], ["c.yaml:5", "batch"], ["c.yaml:6", "htp"]
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("task: {forecast: y\nkey: [", "c.yaml:2: not valid YAML"),
        ("task: {forecast: y}\nkey: a\nkey: b", "c.yaml:3: key: stands twice; keep one"),
        ("", "c.yaml: expected fields such as `task:`"),
        ("- a", "c.yaml: expected fields such as `task:`"),
        ("task: &a [*a]", "c.yaml:1: an alias that contains itself"),
        ("task: !!python/name:os.system 1", "c.yaml:1: "),
    ],
)
def test_what_is_no_mapping_of_plain_values_is_refused_with_its_line(text: str, problem: str) -> None:
    assert problems(text)[0].startswith(problem)


def test_scalars_follow_yaml_1_2() -> None:
    text = (
        "task: {forecast: no}\ntime: 2015-01-01\nfeatures: [{number: on}]\nnetworks: [{name: a, clip: 1e-1}]"
    )
    config = parse(text, "c.yaml")
    assert config.task == Forecast(forecast="no")
    assert (config.time, config.networks[0].clip) == ("2015-01-01", 0.1)


def test_both_spellings_of_optimiser_are_read_and_only_one_may_stand() -> None:
    american = parse(SMALL + "networks: [{name: a, optimizer: sgd}]", "c.yaml").networks[0].optimiser
    assert american == parse(SMALL + "networks: [{name: a, optimiser: sgd}]", "c.yaml").networks[0].optimiser
    assert isinstance(american, SgdChoice)
    both = problems(SMALL + "networks: [{name: a, optimizer: adam, optimiser: adam}]")
    assert both == ["c.yaml:4: networks.0.optimizer: optimiser is given too; keep one"]


def test_short_forms_mean_their_long_ones() -> None:
    config = parse(SMALL + "mix: false\nnetworks: [{name: a, learning_rate: 1e-3}]", "c.yaml")
    assert (config.mix.enabled, config.networks[0].learning_rate.rate) == (False, 1e-3)
    assert config.networks[0].learning_rate.warmup == 100


def test_set_stands_above_the_environment_and_the_environment_above_the_file() -> None:
    text = SMALL + "batch: 1\nmax_keys: 1\nnetworks: [{name: a, hidden: 1}]"
    environ = {"STREAMRNN_BATCH": "2", "STREAMRNN_MAX_KEYS": "2", "STREAMRNN_NETWORKS__0__HIDDEN": "128"}
    config = parse(text, "c.yaml", ["batch=3"], environ)
    assert (config.batch, config.max_keys, config.networks[0].hidden) == (3, 2, 128)


def test_of_two_settings_of_one_path_the_later_counts() -> None:
    assert parse(SMALL, "c.yaml", ["batch=3", "batch=4"]).batch == 4


def test_overrides_make_what_is_absent_and_append_to_lists() -> None:
    overrides = [
        "snapshots.every=5s",
        "networks.0={name: a}",
        "networks.1.name=b",
        "networks.1.window.grow=[1, 8]",
    ]
    config = parse(SMALL, "c.yaml", overrides)
    assert config.snapshots.every == 5.0
    assert [(network.name, network.window) for network in config.networks] == [
        ("a", 1), ("b", GrowingWindow(grow=(1, 8)))
    ]  # fmt: skip


def test_a_text_is_taken_as_it_is_written() -> None:
    config = parse(KAFKA, "c.yaml", ["key=007"], {"STREAMRNN_SOURCE__KAFKA__TOPIC": "1e3"})
    assert (config.key, kafka(config).kafka.topic) == ("007", "1e3")


@pytest.mark.parametrize(
    ("overrides", "environ", "problem"),
    [
        (["networks.0.hiden=3"], {}, "--set: networks.0.hiden: unknown; did you mean hidden?"),
        ([], {"STREAMRNN_BATCH": "many"}, 'STREAMRNN_BATCH: batch: expected a whole number, not "many"'),
        ([], {"STREAMRNN_BATCHES": "3"}, "STREAMRNN_BATCHES: unknown; did you mean STREAMRNN_BATCH?"),
        (["batch"], {}, "--set batch: expected PATH=VALUE, for example networks.0.hidden=128"),
        (["features.7.number=x"], {}, "--set: features: expected an index from 0 to 1, not 7"),
        (
            ["task.forecast.x=3"],
            {},
            "--set: task.forecast is 'y', which has nothing inside; set it as a whole",
        ),
        (["batch=[1"], {}, "--set batch=[1: '[1' is not a value"),
    ],
)
def test_a_mistake_above_the_file_is_named_by_where_it_stands(
    overrides: list[str], environ: dict[str, str], problem: str
) -> None:
    networks = "networks: [{name: a}]\n"
    assert problems(SMALL + networks, *overrides, **environ)[0].startswith(problem)


def test_variables_of_others_are_left_alone() -> None:
    others = {
        "STREAMRNN_CACHE_DIR": "/c",
        "STREAMRNN_DATA": "/d",
        "STREAMRNN_SERVICE_HOST": "h",
        "STREAMRNN_PORT": "tcp",
    }
    assert parse(SMALL, "c.yaml", (), others) == parse(SMALL, "c.yaml")


SECRET = "hunter2"
VARIABLE = "STREAMRNN_SOURCE__KAFKA__SASL_PLAIN_PASSWORD"


def test_a_secret_comes_from_the_environment_and_is_not_shown() -> None:
    config = parse(KAFKA, "c.yaml", (), {VARIABLE: SECRET})
    password = kafka(config).kafka.sasl_plain_password
    assert password is not None and password.get_secret_value() == SECRET
    assert SECRET not in repr(config) and SECRET not in config.model_dump_json()


def test_a_secret_comes_from_a_file_without_its_newline(tmp_path: Path) -> None:
    (tmp_path / "password").write_text(SECRET + "\n")
    config = parse(KAFKA + f"    sasl_plain_password_file: {tmp_path}/password\n", "c.yaml")
    password = kafka(config).kafka.sasl_plain_password
    assert password is not None and password.get_secret_value() == SECRET


def test_a_secret_in_the_file_or_on_the_command_line_is_refused_and_not_repeated() -> None:
    in_file = problems(KAFKA + f"    sasl_plain_password: {SECRET}\n")
    on_line = problems(KAFKA, f"source.kafka.sasl_plain_password={SECRET}")
    assert in_file[0].startswith("c.yaml:8: source.kafka.sasl_plain_password: a secret does not belong here")
    assert VARIABLE in in_file[0] and "sasl_plain_password_file" in in_file[0]
    assert on_line[0].split(": ")[1] == "source.kafka.sasl_plain_password"
    assert SECRET not in "".join(in_file + on_line)


def test_a_secret_given_twice_or_by_an_absent_file_is_a_problem(tmp_path: Path) -> None:
    named = KAFKA + f"    sasl_plain_password_file: {tmp_path}/absent\n"
    where = "c.yaml:8: source.kafka.sasl_plain_password_file"
    assert problems(named) == [f"{where}: {tmp_path}/absent cannot be read: No such file or directory"]
    assert problems(named, **{VARIABLE: SECRET}) == [f"{where}: sasl_plain_password is given too; keep one"]


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.yaml: cannot be read: No such file or directory"):
        load(tmp_path / "absent.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"key: caf\xe9")
    with pytest.raises(ConfigError, match=r"latin\.yaml: cannot be read: it is not UTF-8 text"):
        load(tmp_path / "latin.yaml")


def test_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(PEDESTRIANS)
    assert load(tmp_path / "c.yaml") == parse(PEDESTRIANS, "c.yaml")
