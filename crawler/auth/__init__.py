"""Authentication: where credentials come from, and the `Authorization` header of each request.

| file | question |
|---|---|
| `credentials` | What is a credential, a source of credentials, an authenticator? |
| `challenge` | What does the registry's `/v2/` ask for? |
| `adaptive` | Which scheme do the catalog and the repositories want, as their refusals show? |
| `bearer`, `scope_batches` | Which registry token answers a request, and which scopes share one? |
| `realms` | Which token servers may see the credentials? |
| `redirect_auth` | Which token does a host want that the registry redirected to? |
| `lockout` | When are the credentials tried no more? |
| `docker_config`, `login_files`, `login_entries`, `credential_helper` | What is docker's or podman's login? |
| `google`, `google_session`, `google_errors`, `quota_project` | How are Google's access tokens made? |
"""
