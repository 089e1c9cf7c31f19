"""Tests reach this machine and no other."""

import asyncio
import socket

import pytest

from tests.environment import NetworkClosed, free_port


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1", "0.0.0.1", "::ffff:192.0.2.1"])
def test_no_other_machine_can_be_reached(address: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as one:
        with pytest.raises(NetworkClosed):
            one.connect((address, 80))
        with pytest.raises(NetworkClosed):
            one.connect_ex((address, 80))


@pytest.mark.parametrize("name", ["example.com", b"example.com", "localhost.example"])
def test_nobody_is_asked_for_an_address(name: str) -> None:
    with pytest.raises(NetworkClosed):
        socket.create_connection((name, 80), timeout=0.1)


def test_no_packet_leaves() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one, pytest.raises(NetworkClosed):
        one.sendto(b"", ("192.0.2.1", 9))


def test_no_coroutine_gets_out() -> None:
    with pytest.raises(NetworkClosed):
        asyncio.run(asyncio.open_connection("example.com", 80))


def test_loopback_is_open() -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", port)), socket.create_connection(("localhost", port), timeout=5):
        pass


def test_a_free_port_is_given_to_nobody_else() -> None:
    assert len({free_port() for _ in range(50)}) == 50
