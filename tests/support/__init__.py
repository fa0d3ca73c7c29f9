"""The harness of the tests: servers to crawl, ways to run a crawl, and readers of its result. No test is in here.

Servers, and what each is for:

- `support.scripted` serves a script of requests and responses, byte by byte if need be. Use it for the protocol: what
  one server does, right or wrong, and what the client sends. It is the default choice.
- `support.distribution` runs Debian's docker-registry, with a token server, htpasswd and TLS. Use it to check that the
  crawler agrees with the reference implementation. It imports nothing of the crawler.
- `crawler.emulator`, by the fixture `google` of tests/conftest.py, emulates Google's registries and their REST APIs.
  Use it for inventories of hundreds of repositories, for Google's credentials, and for random faults.
- `support.forward_proxy` and `support.fronts` stand between a crawl and one of these servers: an HTTP proxy with
  CONNECT, and a real nginx or HAProxy.
- `support.token_endpoints` serves Google's token, STS, IAM and metadata endpoints.

A test starts a server of its own only for what a script cannot express: a connection that is accepted and never read,
TLS handshakes that fail, requests pipelined or connections counted by socket. A response that is computed from the
request comes from an aiohttp application, by `support.web_apps`. Such a test says so beside the server.
"""
