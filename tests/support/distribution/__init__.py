"""Debian's docker-registry, the real CNCF distribution, run for tests; it imports nothing of the crawler."""

from .certificates import Certificates, make_certificates
from .content import Content
from .front import Exchange, Front, open_front
from .images import Pushed, empty, push, push_content
from .process import RegistryStartError, executable, requires_docker_registry
from .registry import Htpasswd, Registry, open_registry
from .token_server import Account, TokenPolicy, TokenServer
from .writer import WriteError

__all__ = [
    "Account",
    "Certificates",
    "Content",
    "Exchange",
    "Front",
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
    "open_front",
    "open_registry",
    "push",
    "push_content",
    "requires_docker_registry",
]
