"""`audit unused` of random repositories and random pods, against an answer worked out without SQL."""

from collections import defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st
from support.audit_records import digest, image, index, listed_image, problem, repository
from support.pods import LONG_AGO, SINCE_THEN, listed, pod
from support.running import Use, ask_unused, findings, publish_whole, true_answer
from support.stored_snapshots import SnapshotWriter

NUMBERS = range(1, 6)
TAGS = ("one", "two", "three")
HOST = "registry.example.com"


@st.composite
def manifests(draw):
    """Some manifests of a repository. Each tag is that of one."""
    numbers = draw(st.lists(st.sampled_from(NUMBERS), unique=True, max_size=4))
    owner = {tag: draw(st.sampled_from(numbers)) for tag in TAGS if numbers and draw(st.booleans())}
    made = []
    for number in numbers:
        tags = [tag for tag in TAGS if owner.get(tag) == number]
        match draw(st.sampled_from(["image", "image", "index", "unread", "unread index", "artifact"])):
            case "image":
                made.append(image(number, *tags))
            case "index":
                children = draw(st.lists(st.sampled_from([each for each in NUMBERS if each != number]), unique=True))
                made.append(index(number, children, *tags))
            case "unread":
                made.append(listed_image(number, *tags))
            case "unread index":
                made.append(listed_image(number, *tags, kind="index"))
            case "artifact":
                made.append(image(number, *tags, kind="artifact"))
    return made


@st.composite
def records(draw, name):
    """A record of a repository, or None where the snapshot has none."""
    match draw(st.sampled_from(["ok"] * 6 + ["absent", "missing", "denied", "failed"])):
        case "ok":
            made = draw(manifests())
            tags = [tag for each in made for tag in each["tags"]]
            unread = draw(st.sampled_from([[], [], ["unread"]]))
            dangling = draw(st.sampled_from([[], [], ["dangling"]]))
            return repository(
                name,
                *made,
                tags=[*tags, *unread, *dangling],
                children=draw(st.sampled_from([[], None])),
                suspect=draw(st.sampled_from([None, None, "1,000 entries and no next link"])),
                problems=[problem("dangling-tag", tag=tag, digest=digest(9)) for tag in dangling],
            )
        case "absent":
            return None
        case outcome:
            return repository(name, outcome=outcome, images=None, children=None)


@st.composite
def used(draw, name):
    """What a pod uses: by its reference, and by what the runtime says."""
    digests = st.sampled_from([*map(digest, NUMBERS), digest(9), digest(77)])
    when = {"has_ended": draw(st.sampled_from([False, False, True])), "is_younger": draw(st.booleans())}
    if draw(st.booleans()):
        uses = [Use(repository=name, digest=draw(digests), **when)]
    else:
        uses = [Use(repository=name, tag=draw(st.sampled_from([*TAGS, "unread", "dangling", "nowhere"])), **when)]
        match draw(st.sampled_from(["none", "digest", "id", "config"])):
            case "digest":
                uses.append(Use(repository=name, digest=draw(digests), **when))
            case "id":
                uses.append(Use(repository=name, image_id=draw(digests), **when))
            case "config":
                uses.append(Use(repository=name, image_id=digest(10_000 + draw(st.sampled_from(NUMBERS))), **when))
    return uses


@st.composite
def worlds(draw):
    """Records, and for each pod what it uses. The repositories have nothing to do with each other."""
    found, pods = [], []
    for number in range(draw(st.integers(1, 12))):
        name = f"team/app-{number}"
        record = draw(records(name))
        found += [record] if record is not None else []
        pods += draw(st.lists(used(name), max_size=2))
    return found, pods


def as_pod(number, uses):
    named, *runs = uses
    reference = f"{HOST}/{named.repository}" + (f":{named.tag}" if named.tag else f"@{named.digest}")
    image_id = "".join(
        f"docker-pullable://{HOST}/{run.repository}@{run.digest}" if run.digest else run.image_id for run in runs
    )
    phase = "Succeeded" if named.has_ended else "Running"
    return pod(f"p{number}", reference, image_id, phase=phase, created=SINCE_THEN if named.is_younger else LONG_AGO)


@settings(max_examples=40)
@given(world=worlds())
def test_unused_answers_what_is_true(tmp_path_factory, world):
    found, pods = world
    idle = pod("idle", "other.example.com/app")
    folder = publish_whole(SnapshotWriter(tmp_path_factory.mktemp("world")), *found)
    asked = ask_unused(folder, listed(idle, *(as_pod(number, uses) for number, uses in enumerate(pods))))
    assert findings(asked.rows) == true_answer(found, [use for uses in pods for use in uses])
    assert all((row["why"] is None) == (row["answer"] == "yes") for row in asked.rows)
    # a digest and an image id may be the same text: then there is a row for each
    users = defaultdict(set)
    for number, uses in enumerate(pods):
        for use in uses:
            if not use.has_ended:
                users[use.repository, use.tag or use.digest or use.image_id].add(f"default/p{number}")
    counted = defaultdict(int)
    for row in asked.rows:
        if row["finding"] == "gone":
            key = (row["repository"], row["tags"][0] if row["tags"] else row["digest"])
            counted[key] += row["users"]
            assert set(row["used_by"]) <= users[key]
    assert counted == {key: len(users[key]) for key in counted}
