"""Text from the templates beside this file. deploy's one door to Jinja."""

from typing import Any

import jinja2

from crawler.deploy import quoting
from crawler.errors import ConfigError
from crawler.untrusted_text import printable


def render(template: str, **values: Any) -> str:
    """A text from a template. Nothing is escaped by itself: the template names a filter for each value.

    Raises ConfigError for a value that is not UTF-8, such as a path of other bytes.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("crawler.deploy"),
        autoescape=False,  # noqa: S701  (YAML, units and scripts, which HTML's escapes would break)
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        yaml=quoting.yaml_string,
        yaml_block=quoting.yaml_block,
        unit=quoting.unit_word,
        argument=quoting.unit_argument,
        shell=quoting.shell_word,
        heredoc=quoting.heredoc,
        toml=quoting.toml_string,
    )
    text = environment.get_template(template).render(**values)
    try:
        text.encode()
    except UnicodeEncodeError as exc:
        around = printable(text[max(0, exc.start - 40) : exc.end])
        raise ConfigError([f"{around}: a path or a variable is not UTF-8, as what is deployed must be"]) from None
    return text
