"""The address that the explorer listens on."""

from __future__ import annotations

import ipaddress
from contextlib import suppress
from dataclasses import dataclass

FIRST_PORT = 8420
"""Without a port, the first free one from here on is used."""


@dataclass(frozen=True)
class Address:
    """Where the server listens.

    Attributes:
        host: name or address; only this computer can reach 127.0.0.1.
        port: None: the first free one from 8420.
    """

    host: str = "127.0.0.1"
    port: int | None = None

    @property
    def local(self) -> bool:
        """True if only this computer can reach the server."""
        if self.host == "localhost":
            return True
        with suppress(ValueError):
            return ipaddress.ip_address(self.host).is_loopback
        return False

    @property
    def everywhere(self) -> bool:
        """True if the server listens on all addresses of this computer."""
        with suppress(ValueError):
            return ipaddress.ip_address(self.host).is_unspecified
        return False
