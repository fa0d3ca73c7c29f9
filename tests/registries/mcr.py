"""Microsoft Container Registry: anonymous, and each list is one page."""

from support.scripted import document, on

from .vocabulary import Scripted, listing, names_of, numbered, one_page

REPOSITORIES = {"dotnet/sdk": ("8.0", "9.0"), "dotnet/sdk/preview": numbered("10.0.", 1500)}

MCR = Scripted(
    kind="mcr",
    script=(
        on("/v2/", document({})),
        one_page(
            "/v2/_catalog", names_of([*numbered("azure/tool-", 9999), *REPOSITORIES, *numbered("oss/part", 39_999)])
        ),
        *(listing(name, tags) for name, tags in REPOSITORIES.items()),
    ),
    repositories=REPOSITORIES,
    config={"include": ["dotnet/sdk*"]},
    evidence="the catalog listed 50,000 names on 1 page: no next link; 49,998 of them left out",
    exchanges=1 + 1 + 2,
)
