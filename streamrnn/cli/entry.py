"""Entry point: every outcome is an exit code, every error one clear line."""

import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

import typer

from streamrnn.errors import ConfigError, StreamrnnError

USAGE = 2
INTERNAL = 70
"""A fault of ours (EX_SOFTWARE of sysexits.h)."""
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and leave with its exit code."""
    sys.exit(execute(sys.argv[1:] if arguments is None else arguments))


def execute(arguments: Sequence[str]) -> int:
    """Exit code of the command; errors on stderr, tracebacks only with `--debug` (anywhere on the line)."""
    debug = "--debug" in arguments
    try:
        return _dispatch([argument for argument in arguments if argument != "--debug"])
    except StreamrnnError as error:
        return _fail(_lines(error), error.exit_code, debug)
    except typer.TyperException as error:
        message = error.format_message()  # empty where the help was shown instead
        return _fail(f"error: {message} (see streamrnn --help)", USAGE, debug) if message else USAGE
    except (KeyboardInterrupt, typer.Abort):
        return _fail("interrupted", INTERRUPTED, debug=False)
    except Exception as error:  # noqa: BLE001  (the last line of defence: a fault of ours becomes one line and a code)
        return _fail(_internal(error), INTERNAL, debug)


def _dispatch(arguments: Sequence[str]) -> int:
    from streamrnn.cli.app import app

    code = app(list(arguments), prog_name="streamrnn", standalone_mode=False)
    return code if isinstance(code, int) else 0


def _lines(error: StreamrnnError) -> str:
    """A configuration's problems begin with file and line, where editors look for them."""
    return str(error) if isinstance(error, ConfigError) else f"error: {error}"


def _internal(error: Exception) -> str:
    what = str(error).splitlines()[0] if str(error) else "no message"
    return f"internal error: {type(error).__name__}: {what}; run again with --debug for the whole story"


def _fail(message: str, code: int, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    print(message, file=sys.stderr)
    return code
