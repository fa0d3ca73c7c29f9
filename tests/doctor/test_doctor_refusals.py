"""Is every refusal that doctor can meet scripted, and does its advice, applied, make doctor pass?

A new warning, failure or rule fails the test here until `PAIRS` names the test that has both ends of it.
"""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import crawler.doctor
from crawler.doctor import advice
from crawler.run import hints

TABLED = "test_doctor_refusal_and_its_advice_applied"

PAIRS: Mapping[str, str] = {
    "checkup._token_for": TABLED,
    "checkup._refusal": TABLED,
    "checkup._refusal 2": TABLED,
    "clock.clock": "test_doctor_clock_fails_where_google_refuses_a_jwt_that_a_key_signs",
    "clock.clock 2": "test_doctor_clock_an_hour_off_warns_and_a_clock_that_is_set_passes",
    "contents.own_api": "test_doctor_contents_products_own_api_without_credentials_for_it",
    "contents.own_api 2": "test_doctor_contents_products_own_api",
    "contents.manifest": "test_doctor_contents_pulls_are_not_spent_on_docker_hub",
    "contents.conditional_request": "test_doctor_contents_registry_without_conditional_requests",
    "contents.referrers": "test_doctor_contents_registry_without_referrers_api",
    "google.projects": "test_doctor_google_account_that_sees_no_project",
    "identity.credentials": TABLED,
    "lake.lake": "test_doctor_lake_whose_provider_refuses",
    "lake.lake 2": "test_doctor_lake_that_replaces_what_should_only_be_created",
    "machine.open_files": "test_doctor_machine_open_files_that_are_too_few_for_any_crawl",
    "machine.open_files 2": "test_doctor_machine_open_files_that_are_too_few_for_the_concurrency",
    "machine.memory": "test_doctor_machine_memory_advice_makes_it_pass",
    "names.first_names": "test_doctor_google_reader_role_missing_at_the_registry",
    "names.first_names 2": TABLED,
    "names._nothing": "test_doctor_names_nothing_matches",
    "names._nothing 2": "test_doctor_names_empty_catalog_is_no_proof_where_the_host_hides_names",
    "names._nothing 3": "test_doctor_names_empty_registry",
    "names.page_size": "test_doctor_names_page_size_that_is_refused",
    "names.page_size 2": "test_doctor_names_page_that_is_smaller_than_asked",
    "names.listing": TABLED,
    "names._listed": TABLED,
    "names._listed 2": TABLED,
    "output_folder.output_folder": "test_doctor_output_folder_needs_room_for_the_journal_and_its_copy",
    "advice._quota_project": "test_doctor_google_quota_project_that_the_account_may_not_use",
    "advice._impersonation": "test_doctor_credentials_impersonation_without_the_token_creator_role",
    "advice._deleted_key": "test_doctor_credentials_key_that_google_refuses",
    "advice._google_role": TABLED,
    "advice._vendor_login": TABLED,
    "advice._no_login": "test_doctor_credentials_missing_login",
    "advice._untrusted_realm": "test_doctor_credentials_token_server_that_is_not_trusted",
    "advice._aws": "test_doctor_refusal_without_botocore",
    "advice._clock": "test_doctor_credentials_key_that_google_refuses",
    "advice._tls": "test_doctor_network_untrusted_authority",
    "advice._proxy": "test_doctor_network_proxy_that_refuses_the_host",
    "advice._slow": TABLED,
    "advice._disk": "test_doctor_output_folder_with_a_file_in_the_way",
    "hints._disabled_api": "test_doctor_google_artifact_registry_api_disabled",
    "hints._vpc_service_controls": TABLED,
    "hints._missing_project": TABLED,
    "hints._refused_catalog": "test_doctor_names_catalog_that_is_refused_or_missing",
    "hints._refused_credentials": "test_doctor_credentials_wrong_password",
    "hints._no_google_credentials": TABLED,
    "hints._unreachable": "test_doctor_network_refused_port",
}
"""The test with a pair, by what makes the refusal: each place that returns a warning or a failure, each rule."""


def refusals() -> Iterator[str]:
    """The places in crawler/doctor that return a warning or a failure, and the rules that advise on an error."""
    for file in sorted(Path(crawler.doctor.__file__).parent.glob("*.py")):
        for function in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if file.stem != "step" and isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                calls = [node for node in ast.walk(function) if isinstance(node, ast.Call) and makes_refusal(node)]
                for number, _ in enumerate(calls, start=1):
                    yield f"{file.stem}.{function.name}" + (f" {number}" if number > 1 else "")
    for module in (advice, hints):
        yield from (f"{module.__name__.rpartition('.')[2]}.{rule.__name__}" for rule in module._RULES)


def makes_refusal(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Name) and call.func.id in {"warning", "failure", "Finding"}


def doctor_tests() -> set[str]:
    """The names of the tests of doctor."""
    files = [ast.parse(file.read_text(encoding="utf-8")) for file in Path(__file__).parent.glob("test_*.py")]
    functions = (node for file in files for node in file.body)
    return {node.name for node in functions if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_doctor_has_a_pair_for_each_refusal():
    assert sorted(PAIRS) == sorted(refusals())


def test_doctor_pairs_are_tests():
    assert set(PAIRS.values()) - doctor_tests() == set()
