"""What is shown of a provider's error: enough to act, and no secret."""

import json
import shlex

import pytest

from crawler.lake.messages import kept, provider_message

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
FAILED = "Error performing PUT https://lake.example.com/x in 1ms - Server returned non-2xx status code: 403 Forbidden"


@pytest.mark.parametrize(
    "variable", ["AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AZURE_STORAGE_SAS_KEY", "GOOGLE_BEARER_TOKEN"]
)
def test_secrets_of_the_environment_are_withheld(variable):
    for quoted in (SECRET, SECRET.replace("/", "%2F").replace("+", "%2B"), SECRET.replace("/", "\\/")):
        message = provider_message(OSError(f"{FAILED}: the token '{quoted}' is not ours"), {variable: SECRET})
        assert message == f"{FAILED}: the token '[withheld]' is not ours"


def test_private_key_of_a_service_account_is_withheld():
    key = {"type": "service_account", "private_key_id": "0123456789abcdef", "private_key": "-----BEGIN abcdefgh"}
    environ = {"GOOGLE_SERVICE_ACCOUNT_KEY": json.dumps(key)}
    message = provider_message(OSError("cannot use -----BEGIN abcdefgh of 0123456789abcdef"), environ)
    assert message == "cannot use [withheld] of [withheld]"


def test_query_of_a_url_is_left_out():
    url = "https://account.blob.core.windows.net/lake/x?sv=2021&sig=abc%2Fdef"
    message = provider_message(OSError(f"Error performing GET {url} in 1ms"), {})
    assert message == "Error performing GET https://account.blob.core.windows.net/lake/x in 1ms"


def test_user_of_a_url_is_left_out():
    message = provider_message(OSError("Error performing GET http://me:pass@word@127.0.0.1:9000/lake/x in 1ms"), {})
    assert message == "Error performing GET http://127.0.0.1:9000/lake/x in 1ms"


@pytest.mark.parametrize("url", ["s3://bucket/a", "file:///srv/it's", "file:///srv/$(x)"])
def test_command_that_publishes_later_is_one_of_a_shell(url):
    command = kept("20261126T020000Z-1f6c", url).split("`")[1]
    assert shlex.split(command) == ["registry-crawler", "publish", "20261126T020000Z-1f6c", "--lake", url]


def test_page_of_a_provider_is_reduced_to_its_code_and_message():
    page = (
        '<?xml version="1.0"?>\n<Error><Code>SignatureDoesNotMatch</Code><Message>The signature differs.'
        "</Message><StringToSign>AWS4 secret</StringToSign><CanonicalRequest>x-amz-security-token:a</CanonicalRequest>"
    )
    message = provider_message(OSError(f"{FAILED}: {page}\n\nDebug source:\nGeneric {{ body: {page} }}"), {})
    assert message == f"{FAILED}: SignatureDoesNotMatch: The signature differs."


def test_web_page_is_not_quoted():
    message = provider_message(OSError(f"{FAILED}: <html><body>Sign in</body></html>"), {})
    assert message == f"{FAILED}: an answer that is no error of this provider"


def test_lines_and_control_characters_make_one_printable_line():
    message = provider_message(OSError("Generic S3 error\n \x1b[31m↳\x1b[0m Error\n\u202e" + "x" * 2000), {})
    assert message.startswith("Generic S3 error Error \\u202exxx")
    assert len(message) == 600


def test_missing_credentials_are_named():
    asked = "Error performing GET http://169.254.169.254/computeMetadata/v1/token?audience=x in 1ms"
    assert "the environment has no credentials for this lake" in provider_message(OSError(asked), {})
