"""Commands that the crawler prints for the user to copy, run as a user would run them."""

import asyncio
import re
import shlex
import sys
from pathlib import Path


def suggested_commands(text: str) -> list[str]:
    """The commands of the lines `try: COMMAND`."""
    return re.findall(r"^(?:registry-crawler: )?try: (.+)$", text, re.MULTILINE)


async def run_in_shell(line: str, folder: Path) -> tuple[int | None, str]:
    """Run a command in a shell whose `registry-crawler` is this one; return its exit code and output."""
    path = f"PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH"
    process = await asyncio.create_subprocess_shell(
        f"{path}; {line}", cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    out, _ = await process.communicate()
    return process.returncode, out.decode()
