"""Docker's login during a run: one search for concurrent callers, and another after a error_message."""

import anyio
from support.docker_home import ANN, ANSWER, ENTRY, REGISTRY, error_message, packed

from crawler.auth.credentials import Credential


async def test_docker_config_concurrent_callers_share_one_helper_run(home):
    home.write({"credsStore": "one"})
    home.counting_helper("one", f"echo '{ANSWER}'")
    credentials, credentials_found = home.credentials(), []

    async def call():
        credentials_found.append(await credentials.get())

    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(call)
    await call()
    assert credentials_found == [ANN] * 21
    assert home.runs("one") == 1


async def test_docker_config_failure_is_not_cached(home):
    home.write({"credsStore": "one"})
    home.helper("one", "exit 1")
    credentials = home.credentials()
    await error_message(credentials)
    home.helper("one", f"echo '{ANSWER}'")
    assert await credentials.get() == ANN


COUNTING = """while read -r _; do tally=I$tally; done <"$HOME/one.runs"
printf '{"Username": "u", "Secret": "%s"}' $tally"""


async def test_docker_config_refresh_runs_the_helper_once_for_all_callers(home):
    home.write({"credsStore": "one"})
    home.counting_helper("one", COUNTING)
    credentials, refreshed = home.credentials(), []
    first = await credentials.get()
    assert first == Credential("u", "I")

    async def call():
        refreshed.append(await credentials.refresh(first))

    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(call)
    await call()
    assert refreshed == [Credential("u", "II")] * 21
    assert await credentials.get() == Credential("u", "II")
    assert home.runs("one") == 2


async def test_docker_config_refresh_with_the_same_answer_has_no_other_credential(home):
    home.write({"credsStore": "one"})
    home.counting_helper("one", f"echo '{ANSWER}'")
    credentials = home.credentials()
    assert await credentials.refresh(await credentials.get()) is None
    assert await credentials.get() == ANN
    assert home.runs("one") == 2


async def test_docker_config_refresh_finds_a_new_login(home):
    home.write({"auths": {REGISTRY: packed("ann", "old")}})
    credentials = home.credentials()
    old = await credentials.get()
    home.write({"auths": {REGISTRY: ENTRY}})
    assert await credentials.get() == old
    assert await credentials.refresh(old) == ANN


async def test_docker_config_refresh_after_a_logout_has_no_credential(home):
    home.write({"auths": {REGISTRY: ENTRY}})
    credentials = home.credentials()
    credential = await credentials.get()
    home.docker.unlink()
    assert await credentials.refresh(credential) is None
    assert await credentials.get() is None
