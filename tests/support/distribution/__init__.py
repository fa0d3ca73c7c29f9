"""Debian's docker-registry, the real CNCF distribution, run for tests; it imports nothing of the crawler."""

from .certificates import Certificates, make_certificates
from .images import Pushed, WriteError, empty, push
from .process import RegistryStartError, executable, requires_docker_registry
from .registry import Htpasswd, Registry, open_registry
from .token_server import Account, TokenPolicy, TokenServer

__all__ = [
    "Account",
    "Certificates",
    "Htpasswd",
    "Pushed",
    "Registry",
    "RegistryStartError",
    "TokenPolicy",
    "TokenServer",
    "WriteError",
    "empty",
    "executable",
    "make_certificates",
    "open_registry",
    "push",
    "requires_docker_registry",
]
