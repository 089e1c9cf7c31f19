"""RabbitMQ, where this machine has one: tests that need it are skipped elsewhere, and say so."""

import socket

import pytest

URL = "amqp://guest:guest@127.0.0.1:5672//"


def answers() -> bool:
    """Whether something listens at RabbitMQ's port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", 5672)) == 0


needed = pytest.mark.skipif(not answers(), reason="no RabbitMQ listens on port 5672 of this machine")
