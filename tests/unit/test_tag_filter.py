"""The tags whose images are read."""

import pytest

from crawler.inspect.tag_filter import TagFilter

TAGS = ("latest", "1.0", "1.1-rc1", "sha-0123")


@pytest.mark.parametrize(
    ("include", "exclude", "selected"),
    [
        ((), (), TAGS),
        (("1.*",), (), ("1.0", "1.1-rc1")),
        (("1.*", "latest"), (), ("latest", "1.0", "1.1-rc1")),
        ((), ("sha-*", "*-rc?"), ("latest", "1.0")),
        (("1.*",), ("*-rc?",), ("1.0",)),
        (("LATEST",), (), ()),
    ],
)
def test_tag_filter_selects_what_is_included_and_not_excluded(include, exclude, selected):
    tags = TagFilter(include=include, exclude=exclude)
    assert tuple(tags.select(TAGS)) == selected
    assert tags.matches_all is (not include and not exclude)
