"""The process's own start and end: what must be so before anything of ours is loaded, and after all is done."""

import sys

from crawler.cli.process import end, end_at_once_on_signals


def main() -> None:
    """Run the command line, and end the process with its exit code.

    All else is loaded here, so that what happens meanwhile is in this function's hands.
    """
    end_at_once_on_signals()
    from crawler.cli.streams import prepare_streams

    prepare_streams()
    end(_exit_code())


def _exit_code() -> int:
    try:
        from crawler.cli.commands import run_command_line

        run_command_line()
    except SystemExit as exc:
        if isinstance(exc.code, str):
            print(exc.code, file=sys.stderr)
            return 1
        return exc.code or 0
    except KeyboardInterrupt:  # event loops put Python's own handler back when they give SIGINT up
        return 130
    except BaseException:  # noqa: BLE001  (it is shown, as the interpreter would)
        sys.excepthook(*sys.exc_info())
        return 1
    return 0
