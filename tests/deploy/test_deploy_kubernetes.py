"""`registry-crawler deploy kubernetes`: what a cluster gets, and what its pod does."""

import shlex
import tomllib
from itertools import pairwise

import kubernetes_validate
import pytest
from support.deploy_folders import HOSTILE_CONFIG, HOSTILE_USER, Folders, documents, google_config, hostile_config
from support.run_cli import SCRIPT
from support.snapshots import read_snapshot

DEPLOY = ("deploy", "kubernetes", "--image", "registry.example.com/tools/registry-crawler:0.1.0")
ALL_OPTIONS = (
    "--name", "nightly", "--namespace", "ops", "--schedule", "*/15 0-6 * * MON-FRI", "--volume-size", "1Ti",
    "--service-account", "registry-crawler@my-project.iam.gserviceaccount.com",
)  # fmt: skip


def secret_files(notes):
    """The keys and files of the Secret, from the line that says how to make it."""
    (line,) = (line for line in notes.splitlines() if "make the Secret before" in line)
    options = (word.partition("=")[2] for word in shlex.split(line.partition(": make")[2] or line) if "file=" in word)
    return dict(option.split("=", 1) for option in options)


def arguments_of(out):
    """Each option of the crawl with the word behind it."""
    (container,) = pod_of(documents(out))["containers"]
    return dict(pairwise(container["args"]))


def pod_of(manifests):
    return manifests["CronJob"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]


@pytest.mark.parametrize("options", [(), ALL_OPTIONS], ids=["plain", "all options"])
async def test_kubernetes_accepts_what_is_printed(command, tmp_path, options):
    """As `kubernetes-validate --strict` does; podFailurePolicy is stable since 1.31."""
    ended = await command(*DEPLOY, "--config", hostile_config(tmp_path), *options)
    manifests = documents(ended.out)
    assert (ended.code, set(manifests)) == (0, {"ServiceAccount", "ConfigMap", "PersistentVolumeClaim", "CronJob"})
    for version in ("1.31.0", kubernetes_validate.latest_version()):
        for manifest in manifests.values():
            kubernetes_validate.validate(manifest, version, strict=True)


async def test_kubernetes_keeps_the_configuration_but_for_its_files(command, tmp_path):
    ended = await command(*DEPLOY, "--config", hostile_config(tmp_path))
    text = documents(ended.out)["ConfigMap"]["data"]["config.toml"]
    assert text.splitlines()[0] == HOSTILE_CONFIG.splitlines()[0]
    found, written = tomllib.loads(text), tomllib.loads(HOSTILE_CONFIG)
    files = secret_files(ended.err)
    assert [(tmp_path / path).read_text() for path in files.values()] == ["the password", "certificates"]
    password, certificates = (f"/var/run/registry-crawler/{key}" for key in files)
    written["registry"][0]["auth"]["password_file"] = password
    written["registry"][1]["ca_file"] = certificates
    assert found == written
    assert found["registry"][0]["auth"]["username"] == HOSTILE_USER
    assert "the password" not in ended.out + ended.err


async def test_kubernetes_pod_takes_a_snapshot_and_its_successor_another(command, google, tmp_path):
    registry = await google(repositories=10)
    ended = await command(*DEPLOY, "--config", google_config(tmp_path, registry), program=SCRIPT)
    manifests, folders = documents(ended.out), Folders(tmp_path / "pod")
    for key, path in secret_files(ended.err).items():
        folders.write(f"/var/run/registry-crawler/{key}", (tmp_path / path).read_bytes())
    for key, text in manifests["ConfigMap"]["data"].items():
        folders.write(f"/etc/registry-crawler/{key}", text.encode())
    (container,) = pod_of(manifests)["containers"]
    for _ in range(2):
        crawled = await folders.crawl(command, container["args"], {})
        assert crawled.code == 0, crawled.err
    snapshots = list((tmp_path / "pod" / "data" / "snapshots").glob("source=*/date=*/run=*/_SUCCESS"))
    assert len(snapshots) == 2
    assert read_snapshot(tmp_path / "pod" / "data" / "snapshots").manifest["identity"].startswith("token: ")


async def test_kubernetes_pod_has_what_it_mounts_and_no_unneeded_rights(command, tmp_path):
    manifests = documents((await command(*DEPLOY, "--config", hostile_config(tmp_path), *ALL_OPTIONS)).out)
    job = manifests["CronJob"]["spec"]["jobTemplate"]["spec"]
    pod = pod_of(manifests)
    (container,) = pod["containers"]
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert [rule["onExitCodes"]["values"] for rule in job["podFailurePolicy"]["rules"] if "onExitCodes" in rule] == [
        [2, 3]
    ]
    assert (pod["restartPolicy"], manifests["CronJob"]["spec"]["concurrencyPolicy"]) == ("Never", "Forbid")
    assert {manifest["metadata"]["namespace"] for manifest in manifests.values()} == {"ops"}
    assert {manifest["metadata"]["name"] for manifest in manifests.values()} == {"nightly"}
    assert manifests["CronJob"]["spec"]["schedule"] == "*/15 0-6 * * MON-FRI"


@pytest.mark.parametrize(
    ("account", "annotation"),
    [
        ("crawler@my-project.iam.gserviceaccount.com", "iam.gke.io/gcp-service-account"),
        ("arn:aws:iam::123456789012:role/registry-crawler", "eks.amazonaws.com/role-arn"),
    ],
)
async def test_kubernetes_service_account_has_the_workload_identity(command, tmp_path, account, annotation):
    (tmp_path / "config.toml").write_text('registry.target = "gcr.io/my-project"')
    ended = await command(*DEPLOY, "--config", "config.toml", "--service-account", account)
    manifests = documents(ended.out)
    assert manifests["ServiceAccount"]["metadata"]["annotations"] == {annotation: account}
    assert pod_of(manifests)["serviceAccountName"] == manifests["ServiceAccount"]["metadata"]["name"]
    without = await command(*DEPLOY, "--config", "config.toml")
    assert "gcr.io/my-project: no key file is configured" in without.err


async def test_kubernetes_resources_and_deadline_follow_the_configuration(command, tmp_path):
    (tmp_path / "config.toml").write_text(
        'registry.target = "localhost:5000"\n[limits]\nconcurrency = 1000\n[resume]\nwithin = "90m"\n'
        '[cache]\npath = "elsewhere/digests.db"\n'
    )
    without_cache = await command(
        *DEPLOY, "--config", "config.toml", environment={"REGISTRY_CRAWLER_CACHE__PATH": "none"}
    )
    assert arguments_of(without_cache.out)["--cache"] == "none"
    ended = await command(*DEPLOY, "--config", "config.toml")
    manifests = documents(ended.out)
    (container,) = pod_of(manifests)["containers"]
    assert container["resources"] == {"requests": {"cpu": "1000m", "memory": "1192Mi"}, "limits": {"memory": "2384Mi"}}
    assert manifests["CronJob"]["spec"]["jobTemplate"]["spec"]["activeDeadlineSeconds"] == 90 * 60
    assert arguments_of(ended.out)["--cache"] == "/data/digests.sqlite"


async def test_kubernetes_variables_are_deployed_and_passwords_only_named(command, tmp_path):
    (tmp_path / "config.toml").write_text('[[registry]]\ntarget = "localhost:5000"\nauth.username = "bob"\n')
    (tmp_path / "ca file.pem").write_text("certificates")
    environment = {
        "REGISTRY_CRAWLER_PASSWORD": "hunter2",
        "REGISTRY_CRAWLER_REGISTRY__EXCLUDE": "$(HOME)/*,$$x\n'\"",
        "REGISTRY_CRAWLER_REGISTRY__CA_FILE": "ca file.pem",
        "REGISTRY_CRAWLER_OUTPUT__PATH": "elsewhere",
    }
    ended = await command(*DEPLOY, "--config", "config.toml", environment=environment)
    (container,) = pod_of(documents(ended.out))["containers"]
    values = {variable["name"]: variable.get("value") for variable in container["env"]}
    # a cluster makes one $ of two, and expands $(NAME)
    assert values["REGISTRY_CRAWLER_REGISTRY__EXCLUDE"].replace("$$", "$") == "$(HOME)/*,$$x\n'\""
    assert values["REGISTRY_CRAWLER_REGISTRY__CA_FILE"] == "/var/run/registry-crawler/ca-file.pem"
    assert "REGISTRY_CRAWLER_OUTPUT__PATH" not in values
    (password,) = (variable for variable in container["env"] if variable["name"] == "REGISTRY_CRAWLER_PASSWORD")
    assert password["valueFrom"]["secretKeyRef"] == {"name": "registry-crawler", "key": "REGISTRY_CRAWLER_PASSWORD"}
    assert '--from-literal=REGISTRY_CRAWLER_PASSWORD="$REGISTRY_CRAWLER_PASSWORD"' in ended.err
    assert "hunter2" not in ended.out + ended.err


async def test_kubernetes_dockers_login_comes_from_a_secret(command, tmp_path):
    (tmp_path / "config.toml").write_text('[[registry]]\ntarget = "localhost:5000"\nauth.method = "docker-config"\n')
    ended = await command(*DEPLOY, "--config", "config.toml")
    pod = pod_of(documents(ended.out))
    (container,) = pod["containers"]
    (folder,) = (variable["value"] for variable in container["env"] if variable["name"] == "DOCKER_CONFIG")
    assert folder in {mount["mountPath"] for mount in container["volumeMounts"]}
    assert {"name": "docker-login", "secret": {"secretName": "registry-crawler-docker", "defaultMode": 0o440}} in pod[
        "volumes"
    ]
    assert '--from-file=config.json="${DOCKER_CONFIG:-$HOME/.docker}/config.json"' in ended.err


async def test_kubernetes_says_that_a_crawl_would_be_anonymous(command, tmp_path):
    (tmp_path / "config.toml").write_text('registry.target = "localhost:5000"')
    ended = await command(*DEPLOY, "--config", "config.toml")
    assert "localhost:5000: no credentials are configured" in ended.err


async def test_kubernetes_reports_every_wrong_option(command, tmp_path):
    (tmp_path / "config.toml").write_text('registry.target = "localhost:5000"')
    wrong = {
        "--name": "Nightly",
        "--image": "a b",
        "--schedule": "15 2 * *",
        "--namespace": "a;b",
        "--volume-size": "20",
        "--service-account": "me@example.com",
    }
    ended = await command(
        "deploy", "kubernetes", "--config", "config.toml", *(word for pair in wrong.items() for word in pair)
    )
    assert (ended.code, ended.out) == (2, "")
    lines = ended.err.splitlines()
    assert len(lines) == len(wrong)
    for line, (option, value) in zip(sorted(lines), sorted(wrong.items()), strict=True):
        assert line.startswith(f"registry-crawler: {option}: must be ")
        assert line.endswith(f"(got '{value}')")
