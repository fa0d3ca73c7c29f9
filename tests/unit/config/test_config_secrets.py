"""No error message and no _run.json shows a password, wherever it was written."""

import json

import pytest
from pydantic import ValidationError
from support.config_errors import PREFIX, SECRET, config_error, config_errors, load_errors

from crawler.config import Config


@pytest.mark.parametrize(
    "text",
    [
        f'[registry.auth]\npasword = "{SECRET}"',
        f'[registry]\npassword = "{SECRET}"',
        f'[registry.aut]\npassword = "{SECRET}"',
        f'[limits]\npassword = "{SECRET}"',
        f'password = "{SECRET}"',
        f'[registry.auth]\npassword = ["{SECRET}"]',
        f'[registry.auth.password]\nvalue = "{SECRET}"',
        f'[registry]\nauth = "{SECRET}"',
        f'[registry]\nauth = ["{SECRET}"]',
        f'[registry.auth]\nmethod = "{SECRET}"',
        f'[registry.auth]\npassword = "{SECRET}"',
        f'[registry.auth]\npassword = "{SECRET}"\npassword = "{SECRET}"',
        f"[registry.auth]\npassword = {SECRET}",
        f'[registry.auth]\npassword = "{SECRET}',
        f'[registry]\ntarget = "reader:{SECRET}@registry.example.com"',
        f'[registry]\ntarget = "https://reader:{SECRET}@registry.example.com/v2/"',
    ],
)
def test_secret_in_the_wrong_place_is_not_quoted(write, text):
    file = write(f"{text}\n")
    errors = config_errors(file, targets=() if "target" in text else ["gcr.io"])
    assert SECRET not in "\n".join(errors)
    assert all(error.startswith(f"{file}:") for error in errors)


@pytest.mark.parametrize("number", ["1234567", "1234567.5", "true", "1979-05-27"])
def test_secret_of_another_type_is_not_quoted(write, number):
    file = write(f'[registry]\ntarget = "gcr.io"\n[registry.auth]\nusername = "reader"\npassword = {number}\n')
    error = config_error(file)
    assert error.startswith(f"{file}:5: registry.auth.password: ")
    assert number not in error


@pytest.mark.parametrize("name", ["REGISTRY__AUTH__PASWORD", "REGISTRY__PASSWORD", "REGISTRY__AUTH", "PASSWORD"])
def test_secret_in_the_wrong_variable_is_not_quoted(monkeypatch, name):
    monkeypatch.setenv(PREFIX + name, SECRET)
    assert SECRET not in "\n".join(load_errors(targets=["gcr.io"]))


@pytest.mark.parametrize("auth", [{"password": SECRET}, {"username": "reader", "pasword": SECRET}])
def test_secret_in_a_configuration_made_in_code_is_not_quoted(auth):
    with pytest.raises(ValidationError) as refusal:
        Config(registry=[{"target": "gcr.io", "auth": auth}])
    assert SECRET not in str(refusal.value)


def test_secret_is_not_in_the_effective_configuration(write):
    file = write(
        f'[registry]\ntarget = "localhost:5000/a"\nexclude = ["b"]\n[limits]\nrate = "50000/10m"\n'
        f'[registry.auth]\nusername = "reader"\npassword = "{SECRET}"\n'
    )
    config = Config.load(file)
    effective = config.effective(config.registry[0])
    assert SECRET not in json.dumps(effective) + repr(config) + str(config)
    assert "password" not in effective["registry"]["auth"]
    assert (effective["registry"]["target"], effective["registry"]["exclude"]) == ("localhost:5000/a", ["b"])
    assert effective["registry"]["auth"]["username"] == "reader"
    assert effective["limits"]["rate"] == "50000/600s"
    assert effective["output"]["path"] == "snapshots"


@pytest.mark.parametrize("rate", ["80/s", "50000/10m", "none", "auto"])
def test_effective_configuration_can_be_loaded_again(write, rate):
    config = Config.load(write(f'[limits]\nrate = "{rate}"\n'), targets=["gcr.io/a"])
    effective = config.effective(config.registry[0])
    assert Config.model_validate({**effective, "registry": [effective["registry"]]}) == config
