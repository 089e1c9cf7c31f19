"""The doctor names each fault that is planted, with its cause and its cure, and nothing where there is none."""

import pytest
from django.test import Client

from kit import pulse
from reveweb.doctor import echo, running, table
from reveweb.doctor.checks import processes
from reveweb.doctor.findings import Level
from tests.doctor import planted_here, planted_there  # noqa: F401 (they put their faults into the table)
from tests.doctor.planting import FAULTS, Fault, Site


@pytest.mark.services
@pytest.mark.parametrize("fault", [pytest.param(fault, id=fault.name, marks=fault.marks) for fault in FAULTS])
def test_it_names(fault: Fault, site: Site) -> None:
    fault.plant(site)
    [examined] = running.examine([each for each in table.chosen([]) if each[1].name == fault.check])
    found = {finding.name: finding for finding in examined.findings}
    assert fault.name in found, examined
    finding = found[fault.name]
    assert finding.level is fault.level
    assert fault.cause in finding.cause
    assert fault.cure in finding.cure


def test_there_are_many() -> None:
    assert len({fault.name for fault in FAULTS}) >= 20
    assert {fault.check for fault in FAULTS} <= {check.name for checks in table.CHECKS.values() for check in checks}


@pytest.mark.services
def test_a_healthy_site_has_no_finding_above_a_note(site: Site) -> None:
    site.valkey("--appendonly", "yes")
    for name in processes.PULSES:
        pulse.beat(name)
    planted_there.stripe_endpoint(site)
    found = [finding for each in running.examine(table.chosen([])) for finding in each.findings]
    assert [finding for finding in found if finding.level > Level.NOTE] == []


@pytest.mark.services
def test_a_public_site_behind_a_proxy_that_behaves_is_healthy(site: Site) -> None:
    planted_there.HEALTHY(site)
    found = {
        each.check: [finding.name for finding in each.findings] for each in running.examine(table.chosen(["front"]))
    }
    assert found.pop("certificate") == ["certificate-expiring"]  # which is of a day
    assert found == {"front": ["front"], "proxies": ["proxies"], "stream": ["stream"], "held": ["held"], "images": []}


@pytest.mark.parametrize("token", ["", "0:1700000000:forged", echo.token()[:-1]], ids=["none", "forged", "cut"])
def test_a_stranger_is_told_nothing(client: Client, token: str) -> None:
    for address in ("/doctor/echo", "/events/doctor/"):
        assert client.get(address, {"token": token}).status_code == 404
