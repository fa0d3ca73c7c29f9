"""What `--running` takes: every way to write pods, and what is said of a text that has none."""

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.audit_records import image, repository
from support.pods import SECRET, listed, pod
from support.running import ask_unused, publish_whole

from crawler.errors import ConfigError
from crawler.questions.running.json_objects import JsonMistakeError, read_objects
from crawler.questions.running.kubernetes import container_uses
from crawler.questions.running.reference import ImageReference

APP = "registry.example.com/team/app"
A, B = pod("a", f"{APP}:1.0"), pod("b", f"{APP}:2.0")
PAIR = {"apiVersion": "v1", "kind": "PodList", "metadata": {}, "items": [{**A}, {**B}]}
for each in PAIR["items"]:
    del each["kind"]  # as `kubectl get --raw /api/v1/pods` has it


@pytest.fixture
def snapshot(publish):
    return publish_whole(publish, repository("team/app", image(1, "1.0"), image(2, "2.0")))


@pytest.mark.parametrize(
    "text",
    [
        listed(A, B),
        listed(A) + listed(B),
        json.dumps(A) + json.dumps(B),
        f"{json.dumps(A)}\n{json.dumps(B)}\n",
        json.dumps([A, B]),
        json.dumps({"kind": "List", "items": [A, B], "apiVersion": "v1"}),
        json.dumps(PAIR),
        "\ufeff" + listed(A, B).replace("\n", "\r\n"),
        listed(A, B) + listed(),
    ],
)
def test_unused_reads_pods_however_they_are_written(snapshot, text):
    assert ask_unused(snapshot, text).rows == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no pod, so nothing is known of what runs: check the command that writes it"),
        (listed(), "holds no pod"),
        ("[]", "holds no pod"),
        (listed(A, B)[:-30], "is not JSON, or ends in the middle of it, at character "),
        (listed(A, B)[:300], "is not JSON, or ends in the middle of it, at character "),
        (listed(A, B).rstrip()[:-1], "ends in the middle of the JSON, at character "),
        ("apiVersion: v1\nitems:\n", "is not JSON, at character 0"),
        (listed(A).replace('"apiVersion"', "apiVersion", 1), "is not JSON"),
        ('{"items": [1]}', "has a list whose entries are no objects"),
        ('{"items": {}}', "holds objects without a kind: it must hold pods"),
        (json.dumps({**A, "kind": "Secret\x1b"}), "holds objects of the kind Secret\\x1b: it must hold pods (kubectl"),
        (json.dumps({**A, "spec": {}}), "holds a Pod a without the fields of one"),
        (json.dumps({**A, "spec": {"containers": []}}), "holds a Pod a without the fields of one"),
        (json.dumps({**A, "spec": None}), "holds a Pod a without the fields of one"),
        (json.dumps({**A, "metadata": 1}), "holds a Pod without the fields of one"),
        (json.dumps({**A, "status": {"containerStatuses": [3]}}), "holds a Pod a without the fields of one"),
        ("[" * 100_000, "is nested too deep"),
    ],
)
def test_unused_refuses_what_holds_no_pods(snapshot, text, message):
    with pytest.raises(ConfigError) as raised:
        ask_unused(snapshot, text)
    assert str(raised.value).startswith(f"pods.json: {message}")
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize(
    ("data", "message"),
    [(listed(A).encode("utf-16"), "is UTF-16: save it as UTF-8"), (b'{"kind": "\xff"}', "is not UTF-8")],
)
def test_unused_refuses_other_encodings(data, message):
    with pytest.raises(JsonMistakeError, match=message):
        list(read_objects(io.BytesIO(data)))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text().filter(lambda key: key != "items"), JSON, max_size=3)


class Dribble(io.BytesIO):
    """A pipe that gives a few bytes at a time."""

    def __init__(self, data, size):
        super().__init__(data)
        self.size = size

    def read(self, size=-1):
        return super().read(min(size, self.size))


@given(lists=st.lists(st.lists(OBJECTS, max_size=3), max_size=3), single=OBJECTS, size=st.integers(1, 40))
def test_json_objects_are_those_that_were_written(lists, single, size):
    text = "".join(json.dumps({"kind": "List", "items": each}, ensure_ascii=False) for each in lists)
    data = (text + json.dumps(single)).encode(errors="replace")
    assert [found.value for found in read_objects(Dribble(data, size))] == list(_objects(data.decode()))


def _objects(text):
    """The objects, by a parser that holds all of the text."""
    at = 0
    while at < len(text):
        value, at = json.JSONDecoder().raw_decode(text, at)
        yield from value.get("items", [value])


@given(pods=st.lists(st.sampled_from([A, B]), min_size=1, max_size=2), share=st.floats(0, 1, exclude_max=True))
def test_json_objects_of_a_text_that_was_cut_are_an_error(pods, share):
    text = listed(*pods).rstrip()
    cut = text[: int(len(text) * share)]
    if cut:
        with pytest.raises(JsonMistakeError, match=r"is not JSON|ends in the middle"):
            list(read_objects(io.BytesIO(cut.encode())))


def test_json_objects_hold_one_at_a_time_in_memory():
    taken = 0

    class Endless(io.RawIOBase):
        def read(self, size=-1):
            nonlocal taken
            taken += 1
            return (b'{"items": [' if taken == 1 else b"") + b'{"kind": "Pod"},' * (size // 16)

    objects = read_objects(Endless())
    for _ in range(200_000):
        next(objects)
    assert taken < 5


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("nginx", ("docker.io", "library/nginx", "latest", None)),
        ("nginx:1.27", ("docker.io", "library/nginx", "1.27", None)),
        ("acme/app", ("docker.io", "acme/app", "latest", None)),
        ("docker.io/nginx", ("docker.io", "library/nginx", "latest", None)),
        ("index.docker.io/nginx", ("docker.io", "library/nginx", "latest", None)),
        ("registry-1.docker.io/acme/app:1", ("docker.io", "acme/app", "1", None)),
        ("localhost/app", ("localhost", "app", "latest", None)),
        ("localhost:5000/app:1", ("localhost:5000", "app", "1", None)),
        ("Gcr.io:443/p/app", ("gcr.io", "p/app", "latest", None)),
        ("HOST/app", ("host", "app", "latest", None)),
        (f"gcr.io/p/app:1@sha256:{'a' * 64}", ("gcr.io", "p/app", None, f"sha256:{'a' * 64}")),
        (f"gcr.io/p/app@sha256:{'a' * 64}", ("gcr.io", "p/app", None, f"sha256:{'a' * 64}")),
    ],
)
def test_reference_is_read_as_docker_does(text, parsed):
    found = ImageReference.parse(text)
    assert (found.registry, found.repository, found.tag, found.digest) == parsed


@pytest.mark.parametrize(
    "text", ["", "App", "app:", "app:-", "app@sha256:1", "app@", "a//b", "gcr.io/", "-", "a b", f"a/{'b' * 300}"]
)
def test_reference_that_is_none(text):
    with pytest.raises(ValueError, match=r"its (repository|tag|digest) is not"):
        ImageReference.parse(text)


@given(text=st.text())
def test_reference_of_any_text_is_one_or_a_value_error(text):
    try:
        found = ImageReference.parse(text)
    except ValueError:
        return
    assert (found.tag is None) != (found.digest is None)


@st.composite
def odd_pods(draw):
    """A pod in which something is replaced by another value."""
    odd = json.loads(json.dumps(pod("a", f"{APP}:1.0", f"{APP}@sha256:{1:064x}", created="2026-11-01T00:00:00Z")))
    place = odd
    while True:
        key = draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if not isinstance(place[key], dict | list) or not place[key] or draw(st.booleans()):
            break
        place = place[key]
    place[key] = draw(JSON | st.sampled_from(["\ud800", "a\0b", "'; DROP TABLE running; --", 10**400]))
    return odd


@given(odd=odd_pods())
def test_running_images_of_any_pod_are_rows_or_a_mistake_that_quotes_no_secret(odd):
    said = ""
    try:
        uses = [use for found in read_objects(io.BytesIO(json.dumps(odd).encode())) for use in container_uses(found)]
        said = "".join(use.workload + use.container + use.reference + use.image_id for use in uses)
    except JsonMistakeError as exc:
        said = str(exc)
    assert said.encode()
    assert SECRET not in said


@pytest.mark.parametrize("odd", ["\ud800", "a\0b", "'; DROP TABLE running; --", "\x1b[31m", "x" * 100_000])
def test_unused_takes_odd_names_as_text(snapshot, odd):
    pods = [pod(odd, f"{APP}:3.0"), pod("a", f"{APP}:1.0", odd), pod("b", odd)]
    asked = ask_unused(snapshot, listed(*pods))
    assert {row["finding"] for row in asked.rows} == {"gone", "unused"}
