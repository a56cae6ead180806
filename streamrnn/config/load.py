"""Reading a configuration: the file, the environment above it, `--set` above both."""

from collections.abc import Mapping, Sequence
from pathlib import Path as FilePath
from typing import Any

from pydantic import ValidationError

from streamrnn.config.document import Document, Path, read_yaml
from streamrnn.config.models import Config
from streamrnn.config.overrides import PREFIX, apply, from_arguments, from_environment
from streamrnn.config.problems import in_order, problem_line, problem_lines
from streamrnn.config.shape import secret_names
from streamrnn.errors import ConfigError


def load(
    path: FilePath | str, overrides: Sequence[str] = (), environ: Mapping[str, str] | None = None
) -> Config:
    """The configuration in the file at `path`, with `environ` and then `overrides` (`PATH=VALUE`) above it.

    Raises ConfigError with one line per problem.
    """
    try:
        text = FilePath(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError(f"{path}: cannot be read: {reason}") from error
    return parse(text, str(path), overrides, environ)


def parse(
    text: str, name: str, overrides: Sequence[str] = (), environ: Mapping[str, str] | None = None
) -> Config:
    """The configuration that stands in `text`; `name` takes the file's place in messages."""
    document = read_yaml(text, name)
    arguments = list(from_arguments(overrides))
    settings = from_environment(environ or {})
    problems = _misplaced_secrets(document, document.data, ())
    problems += [
        _misplaced_secret(document, override.path) for override in arguments if _is_secret(override.path)
    ]
    for override in (*settings, *arguments):
        apply(document, override)
    problems += _read_secret_files(document, document.data, ())
    try:
        config = Config.model_validate(document.data)
    except ValidationError as error:
        problems += problem_lines(document, error.errors(include_url=False))
    if problems:
        raise ConfigError("\n".join(in_order(problems)))
    return config


def _is_secret(path: Path) -> bool:
    return path[-1] in secret_names()


def _misplaced_secret(document: Document, path: Path) -> str:
    variable = PREFIX + "__".join(map(str, path)).upper()
    return problem_line(
        document, path, f"a secret does not belong here; set {variable}, or name a file with {path[-1]}_file"
    )


def _misplaced_secrets(document: Document, value: Any, path: Path) -> list[str]:
    if isinstance(value, dict):
        return [
            line
            for key, item in value.items()
            for line in (
                [_misplaced_secret(document, (*path, key))]
                if _is_secret((*path, key))
                else _misplaced_secrets(document, item, (*path, key))
            )
        ]
    if isinstance(value, list):
        return [
            line for i, item in enumerate(value) for line in _misplaced_secrets(document, item, (*path, i))
        ]
    return []


def _read_secret_files(document: Document, value: Any, path: Path) -> list[str]:
    """Fill every secret whose `…_file` is given; the problems met on the way."""
    if isinstance(value, list):
        return [
            line for i, item in enumerate(value) for line in _read_secret_files(document, item, (*path, i))
        ]
    if not isinstance(value, dict):
        return []
    problems = []
    for key, item in list(value.items()):
        problems += _read_secret_files(document, item, (*path, key))
        secret = key.removesuffix("_file")
        if secret != key and secret in secret_names() and isinstance(item, str):
            problems += _read_secret_file(document, value, secret, (*path, key))
    return problems


def _read_secret_file(document: Document, part: dict[str, Any], secret: str, path: Path) -> list[str]:
    if secret in part:
        return [problem_line(document, path, f"{secret} is given too; keep one")]
    try:
        part[secret] = FilePath(part[f"{secret}_file"]).read_text("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        return [problem_line(document, path, f"{part[f'{secret}_file']} cannot be read: {reason}")]
    return []
