"""The process's own start: what must be so before anything of ours is loaded."""


def main() -> None:
    """Run the command line. It is loaded here, so that what happens meanwhile is in this function's hands."""
    from crawler.cli.commands import run_command_line

    run_command_line()
