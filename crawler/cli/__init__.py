"""Flags in, progress on the screen, exit code out: the command `registry-crawler`."""

from crawler.cli.entry import main

__all__ = ["main"]
