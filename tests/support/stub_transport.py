"""The transport of a connection without a network: the test is the server, and says what comes and in which pieces."""

import asyncio
import socket
from typing import Any


class StubTransport(asyncio.Transport):
    """An open transport. `written` is what the client has sent; the test feeds the `protocol` of the client by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.protocol: Any = None
        self.written = b""
        self.is_aborted = False
        self.is_paused = False
        self._client, self.server = socket.socketpair()
        """The client looks for unread bytes in its end; the test may put some into `server`."""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._client if name == "socket" else default

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def write(self, data: Any) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self.is_aborted

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False

    def abort(self) -> None:
        if not self.is_aborted:
            self.is_aborted = True
            asyncio.get_running_loop().call_soon(self.lose)

    def lose(self, exc: Exception | None = None) -> None:
        """The connection is lost, as after its end or `abort`."""
        self.is_aborted = True
        self._client.close()
        self.server.close()
        protocol, self.protocol = self.protocol, None
        if protocol is not None:
            protocol.connection_lost(exc)
