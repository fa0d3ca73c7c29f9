"""How the report's page is made: it loads and runs nothing, everybody can read it, and no name becomes markup."""

import re
from html import unescape
from importlib.resources import files
from itertools import pairwise

import pytest
from support.report_pages import read_page
from support.report_records import counts_of, digest_of, image, made_up_records, record
from support.run_cli import google_crawl

from crawler.questions.page import escape_markdown

HOSTILE = '<script>alert(1)</script><img src=x onerror=alert(1)>"|`x`|[a](http://evil.example)\u202e\x1b[31m'
SMALLEST_CONTRAST = 4.5
SMALLEST_CONTRAST_OF_SHAPES = 3.0


def assert_harmless(html: str) -> None:
    page = read_page(html)
    assert not {"script", "link", "iframe", "object", "embed", "img", "base", "form"} & set(page.tags)
    assert (page.loads, page.handlers) == ([], [])
    assert len(set(page.ids)) == len(page.ids)
    assert not re.search(r"url\(|@import|javascript:", html)
    assert "default-src 'none'; style-src 'unsafe-inline'" in html


def assert_accessible(html: str) -> None:
    page = read_page(html)
    levels = [level for level, _ in page.headings]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(below <= above + 1 for above, below in pairwise(levels))
    assert '<html lang="en">' in html
    assert page.tags.count("main") == 1
    assert all(re.search(r'role="img" aria-labelledby="chart-[a-z-]+"', svg) for svg in re.findall("<svg [^>]*>", html))
    assert all('scope="' in th for th in re.findall("<th[ >][^>]*", html))
    regions = re.findall('<div class="table"[^>]*>', html)
    assert len(regions) == page.tags.count("table")
    assert all('role="region"' in region and 'tabindex="0"' in region for region in regions)


async def test_report_of_an_emulated_registry_loads_nothing_and_is_accessible(command, google):
    registry = await google(repositories=60)
    for _ in range(2):
        assert (await command(*google_crawl(registry, "--depth", "configs", "--referrers", "listed"))).code in {0, 3}
    ended = await command("report", "--output", registry.output)
    assert (ended.code, ended.err) == (0, "")
    assert_harmless(ended.out)
    assert_accessible(ended.out)
    page = read_page(ended.out)
    assert page.charts == [
        "Repositories over time",
        "Tags over time",
        "Images over time",
        "Bytes by team",
        "Images by age",
        "Images by platform",
        "Tagged images with and without a signature, an SBOM and a provenance",
    ]
    assert {"Bytes by team", "Images by age", "Images by platform", "Growth over the snapshots kept"} <= set(
        page.tables
    )


async def test_report_draws_each_number_of_its_tables(command, publish):
    records = made_up_records(seed=7)
    folder = publish(records=records, depth="configs", referrers="api", **counts_of(records))
    html = (await command("report", folder)).out
    page = read_page(html)
    for name, caption in (("ages", "Images by age"), ("platforms", "Images by platform")):
        (svg,) = re.findall(rf'<svg [^>]*"chart-{name}".*?</svg>', html)
        labels = [unescape(label) for label in re.findall(r"<text[^>]*>([^<]*)</text>", svg)]
        widths = [float(width) for width in re.findall(r'<rect[^>]* width="([\d.]+)"', svg)][::-1]
        numbers = {label: int(row[0]) for label, row in page.numbers(caption).items()}
        assert set(numbers) <= set(labels)
        scale = max(widths) / max(numbers.values())
        assert widths == pytest.approx([number * scale for number in numbers.values()], abs=0.3)


async def test_report_escapes_what_a_registry_says(command, publish):
    problem = {"problem": "dangling-tag", "tag": HOSTILE, "digest": None, "code": HOSTILE, "http_status": 404}
    platform = {"digest": None, "os": HOSTILE, "architecture": HOSTILE, "role": "image"}
    platform |= dict.fromkeys(("variant", "os_version", "size_bytes", "media_type", "attests_digest"))
    images = [image(digest_of("x"), kind="image", size_bytes=1, platforms=[platform])]
    error = {"code": HOSTILE, "http_status": 500, "message": HOSTILE}
    records = [
        record(f"{HOSTILE}/a", tags=[HOSTILE], images=images, problems=[{**problem, "message": HOSTILE}]),
        record("b/b", outcome="failed", error=error),
        record("c/c", suspect=HOSTILE),
    ]
    said = {"reasons": [HOSTILE], "identity": HOSTILE, "slowest": [{"repository": HOSTILE, "seconds": 1.0}]}
    written = {"verdict": "partial", "depth": "configs", "referrers": "api", **said, **counts_of(records)}
    publish("2026-11-19", records=[], reasons=[])
    folder = publish(target=f"registry.example.com/{HOSTILE.replace('/', '')}", records=records, **written)
    html = (await command("report", folder)).out
    assert_harmless(html)
    assert_accessible(html)
    assert read_page(html).text.count('<script>alert(1)</script><img src=x onerror=alert(1)>"|`x`|') >= 5
    text = (await command("report", folder, "--format", "markdown")).out
    assert not re.search(r"<script|<img|(?<!\\)`x|(?<!\\)\[a\]|://evil", text.replace("\\://", ""))
    for line in text.splitlines():
        if line.startswith("| ") and "alert" in line:
            assert len(re.findall(r"(?<!\\)\|", line)) in {3, 4, 5}
    for out in (html, text):
        assert "\x1b" not in out
        assert "\u202e" not in out


async def test_report_of_a_huge_registry_stays_small(command, publish):
    message = '"' * 400
    error = {"code": "X" * 200, "http_status": 500, "message": message}
    kinds = ("dangling-tag", "vanished-tag", "config-missing", "schema1", "orphan-referrer", "digest-mismatch")
    problems = [
        {"problem": kind, "tag": "t" * 128, "digest": None, "code": None, "http_status": None, "message": message}
        for kind in kinds
    ]
    deep = "/".join(["component-of-a-name"] * 11)

    def night(records):
        slowest = [{"repository": records[n]["repository"], "seconds": 9.0} for n in range(10)]
        reasons = [message] * 9
        return {"records": records, "slowest": slowest, "reasons": reasons, "depth": "configs", **counts_of(records)}

    names = [f"team-{n:05}/{deep}" for n in range(3000)]
    old = [record(name, tags=["t" * 128], images=[]) for name in names]
    new = [record(name, outcome="failed", error=error) for name in names[::2]]
    new += [record(f"new-{name}", tags=["v" * 128], images=[], problems=problems) for name in names[::3]]
    for day in range(1, 31):
        publish(f"2026-10-{day:02}", records=[], verdict="partial")
    publish("2026-11-19", **night(old))
    folder = publish("2026-11-20", verdict="partial", **night(new))
    ended = await command("report", folder)
    assert ended.code == 0
    assert len(ended.out.encode()) < 300_000
    assert "And 1,480 more." in ended.out
    assert "And 997 more." in ended.out


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_has_enough_contrast(scheme):
    css = files("crawler.questions").joinpath("templates/page.html").read_text(encoding="utf-8")
    light, dark = (dict(re.findall(r"--([a-z0-9-]+): (#\w{6})", block)) for block in re.findall(r":root {[^}]*}", css))
    colors = light if scheme == "light" else light | dark
    for surface in ("surface", "raised"):
        for text in ("text", "muted", "accent", "good", "bad"):
            assert _contrast(colors[text], colors[surface]) >= SMALLEST_CONTRAST, (text, surface)
    for mark in ("mark-0", "mark-1", "mark-2"):
        assert _contrast(colors[mark], colors["surface"]) >= SMALLEST_CONTRAST_OF_SHAPES, mark


def _contrast(one: str, other: str) -> float:
    """The ratio of two colours by WCAG 2.2."""
    darker, lighter = sorted(_luminance(color) for color in (one, other))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(color: str) -> float:
    channels = (int(color[n : n + 2], 16) / 255 for n in (1, 3, 5))
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(weight * channel for weight, channel in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("my-project/app:1.2.3", "my-project/app:1.2.3"),
        ("a|b `c` *d* _e_ ~f~ $g$", r"a\|b \`c\` \*d\* \_e\_ \~f\~ \$g\$"),
        ("<b>&lt;", "&lt;b&gt;&amp;lt;"),
        ("[a](b)", r"\[a\](b)"),
        ("http://a www.b.c", r"http\://a www\.b.c"),
        ("- a", r"\- a"),
        ("1. a", r"1\. a"),
        ("# a", r"\# a"),
        ("@team a@b", "@\u200bteam a@b"),
        ("\\|", r"\\\|"),
    ],
)
def test_markdown_escapes_what_is_markup(text, escaped):
    assert escape_markdown(text) == escaped
