"""Three relays that meet at the database itself."""

from __future__ import annotations

import pytest

from tests.cluster.faults import Faults

pytestmark = pytest.mark.anyio
BACKPLANE = "postgres"


class TestOnPostgresAlone(Faults):
    """The same without Redis."""
