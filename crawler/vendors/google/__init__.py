"""Google's APIs: projects, locations, the repositories of Artifact Registry and the images in them.

| module | question |
|---|---|
| `apis` | How is one page of an API requested? |
| `host_scope` | Which repositories of Artifact Registry does a host serve? |
| `repository_search` | Which repositories are there, and were all of them found? |
"""
