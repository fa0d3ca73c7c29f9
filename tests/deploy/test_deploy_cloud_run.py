"""`registry-crawler deploy cloud-run`: the script, run with a gcloud that writes down what it is asked."""

import asyncio
import os
import tomllib
from asyncio.subprocess import PIPE, STDOUT

import pytest
import yaml
from support.deploy_folders import HOSTILE_CONFIG, Folders, google_config, hostile_config
from support.snapshots import read_snapshot

OPTIONS = {
    "--image": "us-docker.pkg.dev/my-project/tools/registry-crawler:0.1.0",
    "--project": "my-project",
    "--region": "us-central1",
    "--bucket": "my-bucket",
    "--service-account": "registry-crawler@my-project.iam.gserviceaccount.com",
}
DEPLOY = ("deploy", "cloud-run", "--config", "config.toml", *(word for pair in OPTIONS.items() for word in pair))

GCLOUD = """\
#!/bin/sh
# writes down its arguments, and what it is given; "describe" finds what was created; reads its standard input, always
printf '%s\\n' "$*" >> "$CLOUD/calls"
case "$*" in "secrets versions add "*) ;; *) cat > /dev/null ;; esac
case "$1" in
storage) thing=storage ;;
secrets) thing=secret-$3 ;;
scheduler) thing=scheduler ;;
esac
case "$*" in
*" describe "*) test -e "$CLOUD/created-$thing" ;;
*" create "*) : > "$CLOUD/created-$thing" ;;
"secrets versions add "*) cat > "$CLOUD/secret-$4" ;;
"run jobs replace "*) cat "$4" > "$CLOUD/job.yaml" ;;
esac
"""


async def apply(tmp_path, script, shell="bash", **environment):
    """Run the script as `| sh` does; return the folder of what gcloud wrote down.

    bash reads a script from a pipe byte by byte, so that a command may read the rest of it; dash reads ahead.
    """
    cloud = tmp_path / "cloud"
    cloud.mkdir(exist_ok=True)
    (cloud / "gcloud").write_text(GCLOUD)
    (cloud / "gcloud").chmod(0o755)
    process = await asyncio.create_subprocess_exec(
        shell, stdin=PIPE, stdout=PIPE, stderr=STDOUT, cwd="/",
        env={**os.environ, "PATH": f"{cloud}:{os.environ['PATH']}", "CLOUD": str(cloud), **environment},
    )  # fmt: skip
    printed, _ = await process.communicate(script.encode())
    assert process.returncode == 0, printed.decode()
    return cloud


def calls(cloud):
    return [line.split() for line in (cloud / "calls").read_text().splitlines()]


def task_of(cloud):
    return yaml.safe_load((cloud / "job.yaml").read_text())["spec"]["template"]["spec"]["template"]["spec"]


def mounted(cloud):
    """The files that the task sees: their paths, and the secrets that they come from."""
    task = task_of(cloud)
    (container,) = task["containers"]
    folders = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    return {
        f"{folders[volume['name']]}/{item['path']}": cloud / f"secret-{volume['secret']['secretName']}"
        for volume in task["volumes"]
        if "secret" in volume
        for item in volume["secret"]["items"]
    }


async def test_cloud_run_stores_the_configuration_and_its_files(command, tmp_path):
    hostile_config(tmp_path)
    ended = await command(*DEPLOY)
    assert (ended.code, "the password" in ended.out + ended.err) == (0, False)
    files = mounted(await apply(tmp_path, ended.out))
    config = tomllib.loads(files.pop("/etc/registry-crawler/config.toml").read_text())
    password, certificates = config["registry"][0]["auth"]["password_file"], config["registry"][1]["ca_file"]
    assert {path: file.read_text() for path, file in files.items()} == {
        password: "the password",
        certificates: "certificates",
    }
    written = tomllib.loads(HOSTILE_CONFIG)
    written["registry"][0]["auth"]["password_file"], written["registry"][1]["ca_file"] = password, certificates
    assert config == written


async def test_cloud_run_task_takes_a_snapshot(command, google, tmp_path):
    google_config(tmp_path, await google(repositories=10))
    cloud = await apply(tmp_path, (await command(*DEPLOY)).out)
    folders = Folders(tmp_path / "task")
    for path, secret in mounted(cloud).items():
        folders.write(path, secret.read_bytes())
    (container,) = task_of(cloud)["containers"]
    environment = {variable["name"]: variable["value"] for variable in container["env"]}
    assert environment == {"HOME": "/tmp"}
    crawled = await folders.crawl(command, container["args"], environment)
    assert crawled.code == 0, crawled.err
    assert read_snapshot(tmp_path / "task" / "data" / "snapshots").has_success
    assert not (tmp_path / "task" / "data" / "snapshots" / ".cache").exists(), "a bucket cannot hold SQLite"


async def test_cloud_run_script_may_run_again(command, tmp_path):
    hostile_config(tmp_path)
    script = (await command(*DEPLOY)).out
    await apply(tmp_path, script)
    first = calls(tmp_path / "cloud")
    (tmp_path / "cloud" / "calls").unlink()
    await apply(tmp_path, script, shell="sh")
    again = calls(tmp_path / "cloud")
    created = [" ".join(call[:3]) for call in first if "create" in call]
    assert created == [
        "storage buckets create",
        "secrets create registry-crawler-1-ke-y-HOME-d-1--json",
        "secrets create registry-crawler-2-certificates-pem",
        "secrets create registry-crawler-config",
        "scheduler jobs create",
    ]
    assert [call for call in again if "create" in call] == []
    assert [call[:3] for call in again if "update" in call] == [["scheduler", "jobs", "update"]]


async def test_cloud_run_is_scheduled_and_never_retried(command, tmp_path):
    hostile_config(tmp_path)
    cloud = await apply(tmp_path, (await command(*DEPLOY, "--schedule", "0 3 * * *", "--name", "nightly")).out)
    schedule = (cloud / "calls").read_text().splitlines()[-1]
    assert schedule.startswith("scheduler jobs create http nightly --project my-project --location us-central1")
    assert "--schedule 0 3 * * *" in schedule
    assert "/projects/my-project/locations/us-central1/jobs/nightly:run" in schedule
    task = task_of(cloud)
    assert (task["maxRetries"], task["serviceAccountName"]) == (0, OPTIONS["--service-account"])
    (container,) = task["containers"]
    assert "--no-lock" in container["args"]
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in task["volumes"]}


async def test_cloud_run_passwords_and_logins_are_secrets(command, tmp_path):
    (tmp_path / "config.toml").write_text(
        '[[registry]]\ntarget = "localhost:5000"\nauth.username = "bob"\n'
        '[[registry]]\ntarget = "localhost:5001"\nauth.method = "docker-config"\n'
    )
    (tmp_path / "config.json").write_text("docker's login")
    variables = {"REGISTRY_CRAWLER_PASSWORD": "hunter2", "REGISTRY_CRAWLER_REGISTRY__EXCLUDE": "$(HOME)/*'\"\n"}
    ended = await command(*DEPLOY, environment=variables)
    assert "hunter2" not in ended.out + ended.err
    cloud = await apply(tmp_path, ended.out, DOCKER_CONFIG=str(tmp_path), **variables)
    assert mounted(cloud)["/etc/docker-login/config.json"].read_text() == "docker's login"
    (container,) = task_of(cloud)["containers"]
    environment = {variable["name"]: variable for variable in container["env"]}
    assert environment["REGISTRY_CRAWLER_REGISTRY__EXCLUDE"]["value"] == "$(HOME)/*'\"\n"
    assert environment["DOCKER_CONFIG"]["value"] == "/etc/docker-login"
    secret = environment["REGISTRY_CRAWLER_PASSWORD"]["valueFrom"]["secretKeyRef"]["name"]
    assert (cloud / f"secret-{secret}").read_text() == "hunter2"


async def test_cloud_run_says_what_a_bucket_cannot_do(command, tmp_path):
    (tmp_path / "config.toml").write_text('registry.target = "localhost:5000"\nimages.depth = "configs"')
    ended = await command(*DEPLOY)
    assert "leaves nothing to resume" in ended.err
    assert "images.depth is configs: a bucket cannot hold the digest cache" in ended.err


@pytest.mark.parametrize(
    ("option", "value"), [("--bucket", "gs://b"), ("--project", "P$(id)"), ("--region", "us"), ("--image", "a;b")]
)
async def test_cloud_run_refuses_options_that_are_no_names(command, tmp_path, option, value):
    (tmp_path / "config.toml").write_text('registry.target = "localhost:5000"')
    ended = await command(*DEPLOY, option, value)
    assert (ended.code, ended.out) == (2, "")
    assert ended.complaint.startswith(f"{option}: must be ")


async def test_cloud_run_refuses_a_file_that_no_secret_holds(command, tmp_path):
    (tmp_path / "names.txt").write_text("a" * 65_537)
    (tmp_path / "config.toml").write_text('[[registry]]\ntarget = "localhost:5000"\nrepositories_from = "names.txt"\n')
    ended = await command(*DEPLOY)
    assert ended.code == 2
    assert ended.complaint.endswith("names.txt has 65,537 bytes; a secret of Secret Manager holds 65,536")
