"""The first and the last moments of the process: signal handlers before any slow import, and one exit at the end."""

import sys

from crawler.cli.process import collect_garbage_rarely, exit_on_signals, flush_and_exit, load_no_plugins


def main() -> None:
    """Run the command line, and end the process with its exit code.

    Everything else is imported inside this function, after the signal handlers are installed.
    """
    exit_on_signals()
    collect_garbage_rarely()
    load_no_plugins()
    from crawler.cli.streams import prepare_streams

    prepare_streams()
    flush_and_exit(_exit_code())


def _exit_code() -> int:
    try:
        from crawler.cli.commands import run_command_line

        run_command_line()
    except SystemExit as exc:
        if isinstance(exc.code, str):
            print(exc.code, file=sys.stderr)
            return 1
        return exc.code or 0
    except KeyboardInterrupt:  # event loops restore Python's own SIGINT handler when they stop handling the signal
        return 130
    except BaseException:  # noqa: BLE001  (it is printed as the interpreter would)
        sys.excepthook(*sys.exc_info())
        return 1
    return 0
