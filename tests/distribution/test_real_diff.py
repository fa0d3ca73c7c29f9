"""What is done to Debian's docker-registry between two nights is what diff reports, and nothing else."""

import json
import shutil

import pytest
from support.diff_snapshots import change
from support.distribution import empty, open_front, open_registry, push_content, requires_docker_registry
from support.distribution.content import signature, signature_tag
from support.distribution.samples import sample, sample_repositories
from support.distribution.storage import store_content, unlink_tag
from support.distribution.writer import Writer, open_session
from support.snapshots import folders

pytestmark = [requires_docker_registry, pytest.mark.timeout(300)]

REPOSITORIES = 100


async def crawl(shell, front):
    """One attempt: the front's 403 stays."""
    options = ("--depth", "digests", "--referrers", "listed", "--no-progress")
    return await shell.crawl(front.host, *options, environment={"REGISTRY_CRAWLER_LIMITS__ATTEMPTS": "1"})


async def diff(command, shell, *arguments):
    ended = await command("diff", "--output", shell.output, "--format", "json", *arguments)
    assert (ended.code, ended.err) == (0, "")
    return json.loads(ended.out)


async def test_diff_reports_what_was_done_to_a_registry_and_nothing_else(tmp_path, shell, command):
    """Of a hundred repositories two are denied in the second night, of which one has lost its tags."""
    tagged = sample_repositories(REPOSITORIES, 2)
    names = sorted(tagged)
    pushed, moved, deleted, emptied, gone, signed, unsigned, denied, denied_and_emptied = names[:9]
    old_seal, new_seal = (signature(tagged[name]["1.0"]) for name in (unsigned, signed))
    old_seal_tag, new_seal_tag = (signature_tag(tagged[name]["1.0"]) for name in (unsigned, signed))
    fresh = [sample(number) for number in (7000, 7001, 7002)]
    tagged[unsigned][old_seal_tag] = old_seal
    async with open_registry(tmp_path / "registry") as registry, open_front(registry) as front:
        store_content(registry, tagged)
        first, again = await crawl(shell, front), await crawl(shell, front)
        nothing = await diff(command, shell)

        pushes = {"fresh/app": {"1.0": fresh[0]}, pushed: {"2.0": fresh[1]}, moved: {"1.1": fresh[2]}}
        await push_content(registry, {**pushes, signed: {new_seal_tag: new_seal}})
        async with open_session(registry) as session:
            await Writer.create(session, registry, deleted).delete_manifest(tagged[deleted]["1.1"].digest)
        for name in (emptied, denied_and_emptied):
            await empty(registry, name)
        unlink_tag(registry, unsigned, old_seal_tag)
        shutil.rmtree(registry.storage / "repositories" / gone)
        front.failures = {f"/v2/{name}/tags/list": 403 for name in (denied, denied_and_emptied)}
        second = await crawl(shell, front)

    assert [ended.code for ended in (first, again, second)] == [0, 0, 3]
    assert nothing["changes"] == []
    old, new = folders(shell.output)[1:]
    found = await diff(command, shell, old, new)
    subject_of_old, subject_of_new = tagged[unsigned]["1.0"].digest, tagged[signed]["1.0"].digest
    assert found["changes"] == [
        change("repository-added", "fresh/app", detail="1 tag"),
        change("tag-added", pushed, "2.0", new=fresh[1].digest),
        change("tag-moved", moved, "1.1", old=tagged[moved]["1.1"].digest, new=fresh[2].digest),
        change("tag-removed", deleted, "1.1", old=tagged[deleted]["1.1"].digest),
        change("repository-emptied", emptied, detail="it had 2 tags and 2 images"),
        change("repository-removed", gone, detail="not listed; it had 2 tags"),
        change("signature-added", signed, subject=subject_of_new, new=new_seal.digest),
        change("tag-added", signed, new_seal_tag, new=new_seal.digest),
        change("signature-removed", unsigned, subject=subject_of_old, old=old_seal.digest),
        change("tag-removed", unsigned, old_seal_tag, old=old_seal.digest),
        change("unknown", denied, detail="denied in the new snapshot: HTTP_403"),
        change("unknown", denied_and_emptied, detail="denied in the new snapshot: HTTP_403"),
    ]
    assert found["counts"]["unknown"] == 2
