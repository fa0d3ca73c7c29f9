"""Is every refusal that doctor can meet scripted, and does its advice, applied, make doctor pass?

A new warning, failure or rule fails the test here until `PAIRS` names the test that has both ends of it.
"""

import ast
from collections.abc import Callable, Iterator, Mapping
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
    "advice._vendor_login 2": TABLED,
    "advice._no_login": "test_doctor_credentials_missing_login",
    "advice._untrusted_realm": "test_doctor_credentials_token_server_that_is_not_trusted",
    "advice._aws": "test_doctor_refusal_without_botocore",
    "advice.aws_advice": "test_doctor_refusal_without_botocore",
    "advice.aws_advice 2": TABLED,
    "advice._clock": "test_doctor_credentials_key_that_google_refuses",
    "advice._tls": "test_doctor_network_certificate_of_another_time_or_name",
    "advice._tls 2": "test_doctor_network_certificate_of_another_time_or_name",
    "advice._tls 3": "test_doctor_network_untrusted_authority",
    "advice._tls 4": "test_doctor_network_client_certificate_required",
    "advice._tls 5": "test_doctor_network_https_to_a_server_of_plain_http",
    "advice._proxy": "test_doctor_network_proxy_that_wants_a_password",
    "advice._proxy 2": "test_doctor_network_proxy_that_refuses_the_host",
    "advice._slow": TABLED,
    "advice._disk": "test_doctor_output_folder_without_locks",
    "advice._disk 2": "test_doctor_output_folder_with_a_file_in_the_way",
    "hints._disabled_api": TABLED,
    "hints._disabled_api 2": "test_doctor_google_artifact_registry_api_disabled",
    "hints._vpc_service_controls": TABLED,
    "hints._missing_project": TABLED,
    "hints._refused_catalog": "test_doctor_names_kind_of_a_registry_that_is_not_recognised",
    "hints._refused_catalog 2": "test_doctor_names_catalog_that_is_refused_or_missing",
    "hints._refused_catalog 3": TABLED,
    "hints._refused_catalog 4": "test_doctor_names_catalog_that_is_refused_or_missing",
    "hints._refused_credentials": TABLED,
    "hints._refused_credentials 3": "test_doctor_credentials_wrong_password",
    "hints._credentials_advice": TABLED,
    "hints._credentials_advice 2": TABLED,
    "hints._credentials_advice 3": "test_doctor_credentials_wrong_password",
    "hints._credentials_advice 4": TABLED,
    "hints._credentials_advice 5": "test_doctor_google_key_that_the_registry_refuses",
    "hints._credentials_advice 6": TABLED,
    "hints._credentials_advice 7": TABLED,
    "hints._no_google_credentials": TABLED,
    "hints._unreachable": "test_doctor_network_unknown_host",
    "hints._unreachable 2": "test_doctor_network_host_that_takes_no_connection",
    "hints._unreachable 3": "test_doctor_network_refused_port",
}
"""The test with both ends, by what makes the refusal: the nth place of a function that returns one, or an advice."""

NEVER_MET = {"hints._refused_credentials 2"}
"""The lockout after many refusals in a row: doctor sends too few requests."""

ADVISING_TOO = {"aws_advice", "_credentials_advice"}
"""Functions that rules call for what they return."""


def refusals() -> Iterator[str]:
    """Each place in crawler/doctor that returns a warning or a failure, and each of a rule that returns an advice."""
    for file in sorted(Path(crawler.doctor.__file__).parent.glob("*.py")):
        if file.stem != "step":
            for function in functions_of(file):
                yield from numbered(f"{file.stem}.{function.name}", function, makes_refusal)
    for module in (advice, hints):
        names = ADVISING_TOO | {rule.__name__ for rule in module._RULES}
        file = Path(module.__file__)
        for function in functions_of(file):
            if function.name in names:
                yield from numbered(f"{file.stem}.{function.name}", function, gives_advice)


def functions_of(file: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def numbered(name: str, function: ast.AST, is_place: Callable[[ast.AST], bool]) -> Iterator[str]:
    for number, _ in enumerate(filter(is_place, ast.walk(function)), start=1):
        yield name if number == 1 else f"{name} {number}"


def makes_refusal(node: ast.AST) -> bool:
    is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    return is_call and node.func.id in {"warning", "failure", "Finding"}


def gives_advice(node: ast.AST) -> bool:
    return isinstance(node, ast.Return) and not (isinstance(node.value, ast.Constant) and node.value.value == "")


def doctor_tests() -> set[str]:
    """The names of the tests of doctor."""
    files = [ast.parse(file.read_text(encoding="utf-8")) for file in Path(__file__).parent.glob("test_*.py")]
    functions = (node for file in files for node in file.body)
    return {node.name for node in functions if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_doctor_has_a_pair_for_each_refusal():
    assert sorted(set(refusals()) - NEVER_MET) == sorted(PAIRS)


def test_doctor_pairs_are_tests():
    assert set(PAIRS.values()) - doctor_tests() == set()
