"""Settings come from the environment, are all documented, and say plainly what is wrong."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from reveweb.settings.work import SANDBOX_FAILURES
from sandbox.failures import Mode
from tests import ROOT, certificates

SOURCES = [path.read_text() for path in (ROOT / "reveweb" / "settings").glob("*.py")]
VARIABLES = {name: kind for kind, name in re.findall(r'env\.(\w+)\(\s*"([A-Z0-9_]+)"', "".join(sorted(SOURCES)))}


def manage(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {"PATH": os.environ["PATH"], "VAR_DIR": os.environ["VAR_DIR"], "ENV_FILE": ""}
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(command, cwd=ROOT, env=kept | environment, capture_output=True, text=True, timeout=60)


def check_each(environments: Sequence[Mapping[str, str]], folder: Path) -> list[tuple[int, str]]:
    """Return status and errors of `manage.py check` in each environment."""
    kept = {"PATH": os.environ["PATH"], "VAR_DIR": str(folder), "ENV_FILE": ""}
    command = [sys.executable, "-m", "tests.reveweb.settings_of_many"]
    done = subprocess.run(
        command, cwd=ROOT, env=kept, input=json.dumps(environments), capture_output=True, text=True, check=True
    )
    return [(status, errors) for status, errors in json.loads(done.stdout)]


PRODUCTION = {
    "REVE_API_KEY": "live",
    "SECRET_KEY": "kQ8vZr3Tn5Yw1Xc7Bm9Lp2Hs6Jd4Fg0Aq",
    "PUBLIC_URL": "https://images.example.com",
    "EMAIL_URL": "smtp+tls://user:password@mail.example.com",
}
NUMBER = ["many", "-1", "1.5", "9999999999999999999", "１２"]
ADDRESS = [
    "images.example.com",
    "//images.example.com",
    "ftp://images.example.com",
    "https://",
    "https://a b",
    "https://h?x",
]
OF_ITS_KIND = {
    "address": ADDRESS,
    "choice": ["maybe"],
    "domains": ["ann@example.com", "*.example.com", "example", "https://example.com", "a b.example.com"],
    "flag": ["maybe", "2"],
    "host": ["http://0.0.0.0", "0.0.0.0:8000", "1.2.3", "a b"],
    "hosts": ["https://images.example.com", "images.example.com:8000", "images.example.com/x", "a b"],
    "key": ["two words", "schlüssel"],
    "mailbox": ["nobody", "Images <nobody>", "a@example.com, b@example.com"],
    "number": ["soon", "-1", "nan", "inf", "1e9"],
    "proxies": ["10.0.0.0/99", "nginx", "-1", "17", "10.0.0.1/8", "1, 2"],
    "whole": NUMBER,
    "word": ["two words"],
}
AND_THESE = {
    "ACCENT_HUE": ["361"],
    "C2PA_CERTIFICATE": ["/no/such/file", "/", "LICENSE"],
    "C2PA_PRIVATE_KEY": ["/no/such/file", "/", "LICENSE"],
    "BACKUP_AT": ["2:17", "24:00", "02:17:00"],
    "BACKUP_KEEP": ["0"],
    "BACKUP_TO": ["backups", "s3://", "/", "s3:///site"],
    "CELERY_BROKER_URL": [
        "localhost",
        "http://h",
        "amqp://",
        "amqp://h:x",
        "redis://h/x",
        "amqp://h?who=me",
        "sqla+x://h",
    ],
    "CLAIM_SECONDS": ["0"],
    "DATABASE_POOL_SIZE": ["1"],
    "DATABASE_URL": ["mysql://h/d", "reveweb", "postgres://h", "postgres://h:x/d", "sqlite://h/d", "sqlite://"],
    "EMAIL_URL": [
        "mail.example.com",
        "http://h",
        "smtp://",
        "smtp://h:x",
        "smtp://u@h",
        "smtp://h?tls=1",
        "folder://x",
    ],
    "GENERATION_DEADLINE_SECONDS": ["0"],
    "HSTS_PRELOAD": ["1"],
    "IMAGE_MAX_BYTES": ["0"],
    "IMAGE_MAX_PIXELS": ["0"],
    "PORT": ["0", "65536"],
    "PRIVACY_URL": ["/privacy", "javascript:alert(1)"],
    "PUBLIC_URL": ["https://images.example.com/site", "https://me@images.example.com", "https://h:99999"],
    "RATE_LIMIT_PER_MINUTE": ["0"],
    "REDIS_NAMESPACE": ["a:b"],
    "REDIS_URL": ["localhost", "valkey://h", "redis://", "redis://h/x", "redis://h?ssl_cert_reqs=none", "unix://"],
    "S3_ATTEMPTS": ["0"],
    "S3_BUCKET": ["https://bucket.example.com", "Bucket/images"],
    "S3_CONNECT_SECONDS": ["0"],
    "S3_PREFIX": ["../images"],
    "S3_READ_SECONDS": ["0"],
    "S3_REDIRECT": ["1"],
    "STORAGE_PATIENCE_SECONDS": ["59"],
    "STORAGE_SECONDS": ["0"],
    "SANDBOX_FAIL": ["sometimes", "1"],
    "SECRET_KEY": ["short", "changeme" * 8],
    "STATUS_RATE_LIMIT_PER_MINUTE": ["0"],
    "STRIPE_SECRET_KEY": ["pk_live_x"],
    "STRIPE_WEBHOOK_SECRET": ["secret", "whsec_new, old", ",", "whsec_a b"],
    "STATUS_URL": ["status.example.com"],
    "SUPPORT_EMAIL": ["Help <help@example.com>"],
    "TERMS_URL": ["https://"],
    "UPLOAD_DAYS": ["0"],
    "UPLOAD_RATE_LIMIT_PER_MINUTE": ["0"],
    "UPLOADS_MAX_BYTES": ["1000"],
    "UPSTREAM_TIMEOUT_SECONDS": ["0"],
    "VAR_DIR": ["/", "/dev/null"],
    "WEB_WORKERS": ["0"],
    "WORKER_THREADS": ["0"],
}
ALONE = [
    {"GOOGLE_CLIENT_ID": "x"},
    {"GOOGLE_CLIENT_SECRET": "x"},
    {"GITHUB_CLIENT_ID": "x"},
    {"C2PA_CERTIFICATE": "LICENSE"},
    {"C2PA_PRIVATE_KEY": "LICENSE"},
    {"S3_SECRET_KEY": "x"},
    {"BACKUP_S3_SECRET_KEY": "x"},
    {"S3_ENDPOINT_URL": "https://s3.example.com"},
    {"S3_REGION": "x"},
    {"STRIPE_SECRET_KEY": "sk_test_x"},
    {"STRIPE_WEBHOOK_SECRET": "whsec_x"},
    {"S3_REDIRECT": "1"},
    {"HSTS_PRELOAD": "1"},
]


def test_whatever_is_malformed_is_one_line_that_names_the_variable(tmp_path: Path) -> None:
    assert VARIABLES.keys() >= AND_THESE.keys()
    tried = {name: [*OF_ITS_KIND.get(kind, []), *AND_THESE.get(name, [])] for name, kind in VARIABLES.items()}
    cases = [(name, value) for name, values in tried.items() for value in [*values, "one\ntwo"]]
    answers = check_each([PRODUCTION | {name: value} for name, value in cases], tmp_path)
    taken = [(case, answer) for case, answer in zip(cases, answers, strict=True) if not _is_refused(case[0], answer)]
    assert taken == []


def test_what_means_something_only_together_is_refused_alone(tmp_path: Path) -> None:
    answers = check_each([PRODUCTION | alone for alone in ALONE], tmp_path)
    taken = [alone for alone, answer in zip(ALONE, answers, strict=True) if not _is_refused(next(iter(alone)), answer)]
    assert taken == []


def test_the_sandboxs_modes_are_those_that_it_has() -> None:
    """The settings may not import the sandbox."""
    assert set(SANDBOX_FAILURES) == {mode.value for mode in Mode}


def test_a_secret_is_not_repeated(tmp_path: Path) -> None:
    urls = {name: "odd://someone:hunter2@h" for name in VARIABLES if name.endswith("_URL")}
    keys = {"REVE_API_KEY": "hunter2 hunter2", "STRIPE_SECRET_KEY": "hunter2"}
    answers = check_each([PRODUCTION | {name: value} for name, value in {**urls, **keys}.items()], tmp_path)
    assert [status for status, _ in answers] == [1] * len(answers)
    assert [errors for _, errors in answers if "hunter2" in errors] == []


def _is_refused(name: str, answer: tuple[int, str]) -> bool:
    status, errors = answer
    return status == 1 and errors.startswith("reveweb: ") and name in errors and errors.count("\n") == 1


def test_production_names_what_it_misses(tmp_path: Path) -> None:
    missing = ["SECRET_KEY", "PUBLIC_URL", "EMAIL_URL"] * 2
    without = [{name: one for name, one in PRODUCTION.items() if name != left_out} for left_out in missing[:3]]
    answers = check_each([*without, *(PRODUCTION | {blank: " "} for blank in missing[3:])], tmp_path)
    assert [status for status, _ in answers] == [1] * 6
    assert [errors.partition(" is not set.")[0] for _, errors in answers] == [f"reveweb: {name}" for name in missing]
    assert {errors.count("\n") for _, errors in answers} == {1}


@pytest.mark.parametrize(
    "command",
    [
        ["manage.py", "serve"],
        ["manage.py", "work"],
        ["manage.py", "schedule"],
        ["manage.py", "run"],
        ["-m", "celery", "-A", "reveweb", "worker", "-B"],
        ["-c", "import reveweb.asgi"],  # as any other server does
    ],
    ids=" ".join,
)
def test_each_process_of_production_says_it_in_one_line(command: list[str], tmp_path: Path) -> None:
    kept = {"PATH": os.environ["PATH"], "VAR_DIR": str(tmp_path), "ENV_FILE": ""}
    environment = kept | PRODUCTION | {"EMAIL_URL": ""}
    done = subprocess.run([sys.executable, *command], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("reveweb: EMAIL_URL is not set.")
    assert done.stderr.count("\n") == 1


def test_every_variable_is_documented() -> None:
    text = (ROOT / "docs" / "configuration.md").read_text()
    assert len(VARIABLES) > 30
    assert {name for name in VARIABLES if f"`{name}`" not in text} == set()


def test_every_variable_is_in_the_example_file() -> None:
    text = (ROOT / ".env.example").read_text()
    assert {name for name in VARIABLES if not re.search(rf"^#{name}=", text, re.MULTILINE)} == set()


def test_production_refuses_a_placeholder_secret() -> None:
    answer = manage("check", REVE_API_KEY="live", SECRET_KEY="changeme")
    assert answer.returncode == 1
    assert "SECRET_KEY" in answer.stderr


def test_a_value_of_the_wrong_kind_is_one_line_naming_the_variable() -> None:
    answer = manage("check", PORT="eight thousand")
    assert (answer.returncode, answer.stderr) == (1, "reveweb: PORT must be a whole number; it is 'eight thousand'.\n")


def test_a_sandbox_makes_a_secret_of_its_own_and_keeps_it(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from django.conf import settings; print(settings.SECRET_KEY)"]
    environment = {"PATH": os.environ["PATH"], "VAR_DIR": str(tmp_path), "ENV_FILE": ""}
    environment["DJANGO_SETTINGS_MODULE"] = "reveweb.settings"
    first, again = (subprocess.check_output(command, cwd=ROOT, env=environment, text=True).strip() for _ in range(2))
    assert first == again == (tmp_path / "secret-key").read_text()
    assert len(first) > 50
    assert (tmp_path / "secret-key").stat().st_mode & 0o777 == 0o600


def test_a_blank_value_is_none(tmp_path: Path) -> None:
    blank = dict.fromkeys(VARIABLES.keys() - {"VAR_DIR"}, " ")
    names = "{n: str(getattr(settings, n)) for n in dir(settings) if n.isupper()}"
    command = [sys.executable, "-c", f"from django.conf import settings; print({names})"]
    environment = {"PATH": os.environ["PATH"], "VAR_DIR": str(tmp_path), "ENV_FILE": ""}
    environment["DJANGO_SETTINGS_MODULE"] = "reveweb.settings"
    unset, left_blank = (
        subprocess.check_output(command, cwd=ROOT, env=environment | more, text=True) for more in ({}, blank)
    )
    assert re.sub(r"at 0x\w+", "", unset) == re.sub(r"at 0x\w+", "", left_blank)


def test_a_blank_variable_does_not_hide_the_files(tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_text("SITE_NAME=Pictures\nPORT=8123\n")
    assert read("SITE_NAME, PORT, HOST", tmp_path, ENV_FILE=str(file), SITE_NAME=" ", HOST="") == (
        "('Pictures', 8123, '127.0.0.1')"
    )


@pytest.mark.parametrize("text", ["SITE_NAME Pictures\n", "SITE_NAME = Pictures\n", "A=1\nSITE NAME=x\n"])
def test_a_line_of_the_file_that_says_nothing_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "env"
    file.write_text(text)
    answer = manage("check", ENV_FILE=str(file))
    assert answer.returncode == 1
    assert answer.stderr.startswith(f"reveweb: Line {text.count(chr(10))} of ")
    assert answer.stderr.count("\n") == 1


def test_a_file_that_is_named_and_not_there_is_missed(tmp_path: Path) -> None:
    answer = manage("check", ENV_FILE=str(tmp_path / "none"))
    assert (answer.returncode, answer.stderr.count("\n")) == (1, 1)
    assert answer.stderr.startswith("reveweb: ENV_FILE must be a file")


def test_lists_have_no_blanks(tmp_path: Path) -> None:
    told = read("ALLOWED_HOSTS, SECRET_KEY_FALLBACKS", tmp_path, ALLOWED_HOSTS="a, b ,", SECRET_KEY_FALLBACKS=" x , y")
    assert told == "(['a', 'b'], ['x', 'y'])"


def test_two_secrets_of_stripes_webhooks_may_have_blanks_between(tmp_path: Path) -> None:
    keys = {"STRIPE_SECRET_KEY": "sk_test_x", "STRIPE_WEBHOOK_SECRET": " whsec_new , whsec_old,"}
    told = read("STRIPE_WEBHOOK_SECRETS, STRIPE_WEBHOOK_SECRET", tmp_path, **keys)
    assert told == "(('whsec_new', 'whsec_old'), 'whsec_new')"


def test_a_senders_name_may_hold_anything(tmp_path: Path) -> None:
    assert read("DEFAULT_FROM_EMAIL", tmp_path, SITE_NAME='Images, "Inc"') == '"Images, \\"Inc\\"" <noreply@localhost>'


def test_a_certificate_wants_its_own_key(tmp_path: Path) -> None:
    (ours, key), (_, other) = certificates.make(tmp_path), certificates.make(tmp_path, "Other")
    assert read("C2PA_CERTIFICATE", tmp_path, C2PA_CERTIFICATE=ours, C2PA_PRIVATE_KEY=key) == ours
    wrong = {"C2PA_CERTIFICATE": ours, "C2PA_PRIVATE_KEY": other}, {"C2PA_CERTIFICATE": key, "C2PA_PRIVATE_KEY": key}
    answers = check_each([PRODUCTION | case for case in [*wrong, {**wrong[0], "C2PA_PRIVATE_KEY": ours}]], tmp_path)
    assert [status for status, _ in answers] == [1, 1, 1]
    assert "C2PA_PRIVATE_KEY is not the key of the first certificate in C2PA_CERTIFICATE" in answers[0][1]
    assert "C2PA_CERTIFICATE must be a file of certificates" in answers[1][1]
    assert "C2PA_PRIVATE_KEY must be a file with a key" in answers[2][1]


def test_hsts_binds_this_host_alone(tmp_path: Path) -> None:
    names = "SECURE_HSTS_SECONDS, SECURE_HSTS_INCLUDE_SUBDOMAINS, SECURE_HSTS_PRELOAD"
    public = {"PUBLIC_URL": "https://images.example.com"}
    assert read(names, tmp_path, **public) == "(31536000, False, False)"
    assert read(names, tmp_path, **public, HSTS_INCLUDE_SUBDOMAINS="1", HSTS_PRELOAD="1") == "(31536000, True, True)"


def test_an_own_stripes_checkout_may_be_sent_to(tmp_path: Path) -> None:
    keys = {"STRIPE_SECRET_KEY": "sk_test_x", "STRIPE_WEBHOOK_SECRET": "whsec_x"}
    form = "CONTENT_SECURITY_POLICY['DIRECTIVES']['form-action']"
    stripes = "'https://checkout.stripe.com', 'https://billing.stripe.com'"
    assert read(form, tmp_path, **keys) == f"[\"'self'\", {stripes}]"
    own = read(form, tmp_path, **keys, STRIPE_API_BASE="https://stripe.example.com:8443/api/")
    assert own == f"[\"'self'\", {stripes}, 'https://stripe.example.com:8443']"


def test_images_of_a_cdn_below_a_path_may_be_shown(tmp_path: Path) -> None:
    policy = read(
        "CONTENT_SECURITY_POLICY['DIRECTIVES']['img-src']", tmp_path, IMAGE_BASE_URL="https://cdn.example.com/a/"
    )
    assert "https://cdn.example.com'" in policy


def test_the_folder_is_its_owners_alone(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "var"
    read("DEBUG", folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o755)
    (folder / "secret-key").chmod(0o644)
    read("DEBUG", folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o077 for path in folder.iterdir()} == {0}


def test_a_folder_that_all_share_is_left_as_it_is(tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)
    answer = manage("version", VAR_DIR=str(tmp_path))
    assert answer.returncode == 0
    assert answer.stderr.startswith(f"Others may read {tmp_path}, which cannot be made private")
    assert tmp_path.stat().st_mode & 0o7777 == 0o1777


def read(names: str, folder: Path, **environment: str) -> str:
    """Return how settings print, with nothing else said; `names` are those of `django.conf.settings`."""
    script = re.sub(r"\b([A-Z][A-Z0-9_]+)\b(?!')", r"settings.\1", f"print(({names}))")
    command = [sys.executable, "-c", f"from django.conf import settings; {script}"]
    kept = {"PATH": os.environ["PATH"], "VAR_DIR": str(folder), "ENV_FILE": ""}
    env = kept | {"DJANGO_SETTINGS_MODULE": "reveweb.settings"} | environment
    return subprocess.check_output(command, cwd=ROOT, env=env, text=True).strip()
