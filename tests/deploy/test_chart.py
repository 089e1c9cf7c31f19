"""The Helm chart is one that Kubernetes takes, and starts the processes that the other files of `deploy/` start."""

import asyncio
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from django.conf import settings
from django.test import AsyncClient

from reveweb import drain, lanes
from tests import ROOT
from tests.deploy.test_files import OF_SITE, services

CHART = ROOT / "deploy" / "helm" / "reveweb"
HELM = Path(sys.executable).with_name("helm")
OWN = (
    "image.repository=registry.example.com/reveweb",
    "image.tag=0.1.0",
    "secret=reveweb",
    "publicUrl=https://images.example.com",
    "env.S3_BUCKET=images",
)
EVERYTHING = (
    "env.S3_ENDPOINT_URL=https://s3.example.com",
    "image.pullSecrets[0].name=registry",
    "worker.unstored.storageClass=fast",
    "metrics.podMonitor=true",
)
OLDEST, NEWEST = "1.29.1", "1.37.0"

pytestmark = pytest.mark.skipif(not HELM.exists(), reason="Helm is not for this machine")


def helm(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([HELM, *arguments], capture_output=True, text=True, timeout=60)


def given(*values: str) -> list[str]:
    return [part for value in values for part in ("--set", value)]


@cache
def rendered(*more: str) -> tuple[dict[str, Any], ...]:
    """Return the objects that the chart makes of an operator's values."""
    done = helm("template", "site", str(CHART), *given(*OWN, *more))
    assert done.returncode == 0, done.stderr
    return tuple(one for one in yaml.safe_load_all(done.stdout) if one)


def containers(*more: str) -> dict[str, dict[str, Any]]:
    return {
        container["name"]: container
        for one in rendered(*more)
        if "template" in one["spec"]
        for container in one["spec"]["template"]["spec"]["containers"]
    }


def the(kind: str, name: str = "site-web", *more: str) -> Any:
    [found] = [one for one in rendered(*more) if (one["kind"], one["metadata"]["name"]) == (kind, name)]
    return found["spec"]


def variables(container: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one["value"] for one in container["env"]}


@pytest.mark.parametrize("more", [(), EVERYTHING], ids=["least", "everything"])
def test_helm_finds_no_fault(more: tuple[str, ...]) -> None:
    done = helm("lint", "--strict", "--quiet", str(CHART), *given(*OWN, *more))
    assert (done.returncode, done.stdout.strip()) == (0, "")


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("more", [(), EVERYTHING], ids=["least", "everything"])
def test_kubernetes_takes_every_object(more: tuple[str, ...], version: str) -> None:
    own = [one for one in rendered(*more) if one["kind"] != "PodMonitor"]  # Prometheus' operator brings that kind
    assert len(own) == len(rendered(*more)) - bool(more) == 10
    for one in own:
        kubernetes_validate.validate(one, version, strict=True)


def test_the_documents_own_values_are_taken(tmp_path: Path) -> None:
    chapter = (ROOT / "docs" / "deployment.md").read_text().partition("## With Kubernetes")[2]
    [values] = re.findall(r"```yaml\n(.*?)```", chapter, re.DOTALL)
    (tmp_path / "site.yaml").write_text(values)
    done = helm("template", "site", str(CHART), "--values", str(tmp_path / "site.yaml"))
    assert done.returncode == 0, done.stderr
    assert "cert-manager.io/cluster-issuer: letsencrypt" in done.stdout
    known = set(re.findall(r"^#?([A-Z][A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert set(re.findall(r"\b[A-Z][A-Z0-9]*_[A-Z0-9_]+\b", chapter)) - known == set()


@pytest.mark.parametrize("missing", OWN, ids=lambda value: value.partition("=")[0])
def test_what_has_to_be_said_is_asked_for(missing: str) -> None:
    done = helm("template", "site", str(CHART), *given(*(value for value in OWN if value != missing)))
    assert done.returncode == 1
    assert missing.partition("=")[0].partition(".")[0] in done.stderr


@pytest.mark.parametrize("wrong", ["image.tag=latest", "publicUrl=http://images.example.com", "web.replicas=0"])
def test_what_cannot_be_meant_is_refused(wrong: str) -> None:
    assert helm("template", "site", str(CHART), *given(*OWN, wrong)).returncode == 1


def test_it_starts_what_compose_starts() -> None:
    of_compose = {name.partition("-")[0]: services()[name]["command"] for name in (*OF_SITE, "migrate")}
    assert {name: one["command"] for name, one in containers().items()} == of_compose
    assert the("Deployment")["replicas"] == the("StatefulSet", "site-worker")["replicas"] == 2


def test_every_variable_is_known() -> None:
    known = set(re.findall(r"^#?([A-Z][A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    named = {name for one in containers(*EVERYTHING).values() for name in variables(one)}
    named |= set(re.findall(r"\b[A-Z][A-Z0-9]*_[A-Z0-9_]+\b", (CHART / "values.yaml").read_text()))
    assert named - known == set()


def test_nothing_secret_is_in_it() -> None:
    for name, container in containers(*EVERYTHING).items():
        assert container["envFrom"] == [{"secretRef": {"name": "reveweb"}}], name
        assert not [one for one in variables(container) if re.search("SECRET|PASSWORD|TOKEN|_KEY", one)], name


@pytest.mark.parametrize("name", ["web", "worker", "rest", "scheduler", "migrate"])
def test_each_process_is_nobody_and_bounded(name: str) -> None:
    [pod] = [
        one["spec"]["template"]["spec"]
        for one in rendered()
        if "template" in one["spec"] and one["spec"]["template"]["spec"]["containers"][0]["name"] == name
    ]
    assert pod["securityContext"]["runAsNonRoot"]
    assert f"USER {pod['securityContext']['runAsUser']}:" in (ROOT / "deploy" / "Dockerfile").read_text()
    assert pod["automountServiceAccountToken"] is False
    container = pod["containers"][0]
    assert container["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    assert container["resources"]["limits"]["memory"]
    assert container["resources"]["requests"]


@pytest.mark.parametrize("seconds", [3, 200])
def test_whoever_ends_has_the_time(seconds: int, settings: Any) -> None:
    web = the("Deployment", "site-web", f"drainSeconds={seconds}")["template"]["spec"]
    settings.DRAIN_SECONDS = float(variables(web["containers"][0])["DRAIN_SECONDS"])
    assert web["terminationGracePeriodSeconds"] >= drain.seconds() + 1
    for kind, name in (("StatefulSet", "site-worker"), ("Deployment", "site-rest")):
        pod = the(kind, name, f"workerDrainSeconds={seconds}")["template"]["spec"]
        assert float(variables(pod["containers"][0])["WORKER_DRAIN_SECONDS"]) == seconds
        assert pod["terminationGracePeriodSeconds"] > seconds
    ready = web["containers"][0]["readinessProbe"]
    assert ready["periodSeconds"] < drain.ASKED_LATELY_SECONDS
    assert the("Deployment")["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


@pytest.mark.django_db(transaction=True)  # /readyz looks at everything, whatever it is asked for
def test_probes_are_answered_whatever_the_host_is_called() -> None:
    [container] = the("Deployment")["template"]["spec"]["containers"]
    asked = {container[probe]["httpGet"]["path"] for probe in ("startupProbe", "readinessProbe", "livenessProbe")}
    assert asked == {"/healthz", "/readyz?only=process"}
    for path in asked:
        answer = asyncio.run(AsyncClient(headers={"host": "10.244.1.7:8000"}).get(path))
        assert answer.status_code == 200, path


def test_the_ingress_waits_and_takes_as_much_as_the_site() -> None:
    [metadata] = [one["metadata"] for one in rendered() if one["kind"] == "Ingress"]
    told = {name.partition("/")[2]: value for name, value in metadata["annotations"].items()}
    assert told["proxy-buffering"] == "off"
    assert int(told["proxy-read-timeout"]) > int(variables(containers()["web"])["SYNC_WAIT_SECONDS"]) + 10
    largest = max(*lanes.PICTURE_FORM_BYTES.values(), lanes.PICTURE_JSON_BYTES, *lanes.MOST_BYTES.values())
    assert int(told["proxy-body-size"].removesuffix("m")) * 2**20 >= largest
    assert the("Ingress", "site")["tls"][0]["hosts"] == ["images.example.com"]


def test_the_defaults_of_times_are_the_sites() -> None:
    assert int(variables(containers()["web"])["SYNC_WAIT_SECONDS"]) == settings.SYNC_WAIT_SECONDS


def test_what_storage_does_not_take_outlives_its_worker() -> None:
    worker = the("StatefulSet", "site-worker")
    [mount] = worker["template"]["spec"]["containers"][0]["volumeMounts"]
    assert mount["mountPath"] == services()["worker-1"]["volumes"][0].partition(":")[2]
    assert mount["name"] == worker["volumeClaimTemplates"][0]["metadata"]["name"]
    assert worker["serviceName"] in [one["metadata"]["name"] for one in rendered() if one["kind"] == "Service"]


def test_prometheus_finds_those_that_work_and_those_that_serve() -> None:
    found = containers(*EVERYTHING)
    for name in ("worker", "rest"):
        [port] = found[name]["ports"]
        told = variables(found[name])
        assert (told["METRICS_PORT"], told["METRICS_HOST"]) == (str(port["containerPort"]), "0.0.0.0")
    assert "METRICS_PORT" not in variables(found["web"])  # it asks for METRICS_TOKEN, as the monitor sends it
    ways = the("PodMonitor", "site", *EVERYTHING)["podMetricsEndpoints"]
    assert [way["port"] for way in ways] == ["metrics", "http"]
    assert ways[1]["authorization"]["credentials"]["key"] == "METRICS_TOKEN"


def test_migrations_come_first() -> None:
    [job] = [one for one in rendered() if one["kind"] == "Job"]
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
