"""No secret of any form stays in a text, and a text without one stays as it is."""

from __future__ import annotations

import json
import string
import time
from pathlib import Path
from urllib.parse import quote

import pytest
from conftest import ROOT
from hypothesis import example, given, settings
from hypothesis import strategies as st

from truefit.tracking.redaction import is_secret, redact

LETTERS = string.ascii_letters + string.digits
SIGNS = LETTERS + "-_.~+/=!%^"
# What people and machines choose: at least a letter and a digit.
SECRETS = st.builds(
    lambda letter, middle, digit: f"{letter}{middle}{digit}",
    st.sampled_from(string.ascii_letters),
    st.text(SIGNS, min_size=6, max_size=40),
    st.sampled_from(string.digits),
)
FORMS = [
    "Authorization: Bearer {}",
    "authorization: Basic {}",
    '{{"Authorization": "Bearer {}"}}',
    "-H 'PRIVATE-TOKEN: {}'",
    "X-Api-Key: {}",
    "Cookie: session={}; path=/",
    '"password": "{}"',
    "{{'password': '{}'}}",
    '{{"db_password": "{}", "port": 5432}}',
    '"said": "x \\"password\\": \\"{}\\" y"',
    "password = '{}'",
    'client_secret="{}"',
    "password: {}",
    "MLFLOW_TRACKING_PASSWORD={}",
    "export AWS_SECRET_ACCESS_KEY={}",
    "aws_secret_access_key = {}",
    "api_key={}",
    "apikey: {}",
    "access_token: {}",
    "token='{}'",
    "--password {}",
    "--password '{}'",
    '--password="{}"',
    "--api-key={}",
    "['--token', '{}']",
    "curl -u ada:{} https://example.org",
    "machine example.org login ada password {}",
    "<password>{}</password>",
    "the password is '{}'",
    "host=db user=ada password={} dbname=x",
    "Server=db;UID=sa;PWD={};",
    "-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----",
    "-----BEGIN PRIVATE KEY-----\n{}",
    '"password": "{}',
    "password: |\n  {}",
    "db:\n  password: >-\n    {}\n  port: 1",
    "- name: DB_PASSWORD\n  value: {}",
    '- name: DB_PASSWORD\n  value: "{}"',
    "{{'name': 'DB_PASSWORD', 'value': '{}'}}",
    "('password', '{}')",
    'auth=("ada","{}")',
    "password%3D{}",
    "-----BEGIN PGP PRIVATE KEY BLOCK-----\n{}\n-----END PGP PRIVATE KEY BLOCK-----",
    "---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\n{}\n---- END SSH2 ENCRYPTED PRIVATE KEY ----",
    "+-----BEGIN EC PRIVATE KEY-----\n+'a'<x>\n+{}\n+-----END EC PRIVATE KEY-----",
]
SECRET = "Zx9kQ2vB7mN4pL6t"  # noqa: S105 - of nobody; letters and digits
# Names of other things too, and signs before a value: only what looks like a secret is one.
OFTEN = [
    "DB_PASS={}", "db_pass: {}", "pass={}", "pass: '{}'", "PGPASS={}", "MYSQL_PWD={}", "--pass {}",
    "pw={}", "pwd: {}", "passcode={}", "pat={}", "PAT: {}", "jwt={}", "auth: {}", "API_AUTH={}",
    "openai_key={}", "wandb_key: {}", "ssh_key={}", "storage_key={}", "subscription_key={}",
    "master_key: {}", "api key: {}", "password:\n  {}", "+password:\n+  {}", "password: `{}`",
    "password=<{}>", "password: ({})", "password={{{}}}", "password=${}",
    "https://hooks.slack.com/services/T00000000/B00000000/{}",
    "PuTTY-User-Key-File-3: x\nPrivate-Lines: 1\n{}\nPrivate-MAC: 0", "Signature={}",
    "'-----BEGIN RSA PRIVATE KEY-----\\n' '{}'",
    '<property name="password">{}</property>', '<add key="Password" value="{}"/>',
    "mysql -uroot -p{} db", "docker login -u ada -p {}", "oauth2:{}@gitlab.com/x",
    "//ada:{}@host/x", "Passwort: {}", "mot_de_passe: {}",
    "lin_api_{0}{0}", "figd_{0}{0}", "xai-{0}{0}",
]  # fmt: skip


@pytest.mark.parametrize("form", OFTEN)
def test_what_looks_like_a_secret_goes(form: str) -> None:
    """Behind names that other things have too, in YAML's next line, and behind a sign."""
    for text in (form.format(SECRET), f"before\n{form.format(SECRET)}\nafter"):
        assert SECRET not in redact(text)
    assert "after" in redact(f"{form.format(SECRET)}\nafter")


@pytest.mark.parametrize(
    "text",
    ["learning_rate: 0.01", "key: val_loss", "tokens: 200", "they pass: all of them", "pass: 3",
     "author: Ada9 Lovelace", "bypass: true1", "forward_pass: layers", "primary_key: user_id1",
     "key=lambda row: row", "key_dim: 64", "password: null", "password: ${oc.env:DB_PASSWORD2}",
     "password=$DB_PASSWORD2", "password:\nother1: 1", "if not password:\n    raise_value_error1",
     "auth: basic", "pwd: /home/ada9", "auth=(user, password)", "- name: units\n  value: unit64",
     "python:3.11-slim@sha256:12ab", "time 12:30ab@noon", "mysqld starts", "login -p 8080",
     '<item name="layer1">dense1</item>', "rate:0.0123@step",
     "path: data/x1y2z3.csv", "pattern: a1b2c3d4", "the api key is needed1",
     'if "-----BEGIN PRIVATE KEY-----" in text: x = 1'.replace("PRIVATE", "PUBLIC")],
)  # fmt: skip
def test_words_that_only_look_alike_stay(text: str) -> None:
    """A name that holds `pass`, `key` or `auth`, a variable, and code."""
    assert redact(text) == text


@pytest.mark.parametrize("form", FORMS)
@settings(deadline=None, max_examples=50)
@given(secret=SECRETS)
def test_no_secret_survives_by_its_form(form: str, secret: str) -> None:
    """In headers, pairs, options, key files, and in texts that a limit has cut."""
    assert secret not in redact(f"before {form.format(secret)} after")
    assert secret not in redact(form.format(secret))


@pytest.mark.parametrize("form", ["postgresql://ada:{}@db/x", "https://example.org/?token={}&a=1"])
@settings(deadline=None, max_examples=50)
@given(secret=SECRETS)
def test_no_secret_survives_in_an_address(form: str, secret: str) -> None:
    """Written as addresses write it."""
    assert quote(secret, safe="") not in redact(form.format(quote(secret, safe="")))


@pytest.mark.parametrize(
    "token",
    [
        "AKIAIOSFODNN7EXAMPLE",
        "ghp_" + "a1" * 18,
        "github_pat_" + "a1" * 20,
        "glpat-" + "a1" * 10,
        "hf_" + "aB" * 17,
        "sk-proj-" + "a1" * 20,
        "xoxb-123456789012-abcdef",
        "AIza" + "a1" * 18,
        "npm_" + "a1" * 18,
        "xapp-1-" + "a1" * 10,
        "gldt-" + "a1" * 10,
        "glrt-" + "a1" * 10,
        "GOCSPX-" + "a1" * 12,
        "SG." + "a1" * 10 + "." + "a1" * 20,
        "shpat_" + "a1" * 16,
        "dop_v1_" + "a1" * 30,
        "dckr_pat_" + "a1" * 14,
        "hvs." + "a1" * 12,
        "gsk_" + "a1" * 20,
        "nvapi-" + "a1" * 30,
        "whsec_" + "a1" * 16,
        "AGE-SECRET-KEY-1" + "A1" * 29,
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dBjftJeZ4CVP",
    ],
)
def test_tokens_of_services_are_known_by_their_prefix(token: str) -> None:
    """Wherever they stand, without a name."""
    assert token not in redact(f"failed with {token}, see above")


@settings(deadline=None, max_examples=50)
@given(secret=st.text(st.characters(codec="utf-8"), min_size=6, max_size=40))
@example("a:b@c/d?e")
@example('quo"te and space')
def test_the_environments_own_secrets_go_wherever_they_stand(secret: str) -> None:
    """Whatever signs they hold, also as an address, JSON or Python writes them."""
    if "\0" in secret or secret.strip(" *") != secret or secret in "before after ***":  # noqa: S105
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOME_API_TOKEN", secret)

        for form in (secret, quote(secret, safe=""), json.dumps(secret)[1:-1], repr(secret)[1:-1]):
            assert form not in redact(f"before {form} after")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("MLFLOW_TRACKING_PASSWORD", True),
        ("PGPASSWORD", True),
        ("AWS_SECRET_ACCESS_KEY", True),
        ("AWS_ACCESS_KEY_ID", True),
        ("OPENAI_API_KEY", True),
        ("APIKEY", True),
        ("github_token", True),
        ("GOOGLE_CREDENTIALS", True),
        ("DB_PASS", True),
        ("PGPASS", True),
        ("MYSQL_PWD", True),
        ("GITHUB_PAT", True),
        ("API_AUTH", True),
        ("SLACK_WEBHOOK", True),
        ("OLDPWD", False),
        ("GIT_ASKPASS", False),
        ("XAUTHORITY", False),
        ("SSH_AUTH_SOCK", False),
        ("TOKENIZERS_PARALLELISM", False),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", False),
        ("KEYBOARD", False),
        ("PATH", False),
        ("PWD", False),
        ("KERAS_BACKEND", False),
    ],
)
def test_a_variables_name_says_what_it_holds(name: str, expected: bool) -> None:
    """Passwords, tokens, secrets and keys; not the place of one."""
    assert is_secret(name) is expected


NUMBERS = st.floats(allow_nan=False).map(repr) | st.integers().map(str)
HASHES = st.text("0123456789abcdef", min_size=7, max_size=64)
PATHS = st.lists(st.from_regex(r"[a-z][a-z0-9_.-]{0,12}", fullmatch=True), min_size=1).map("/".join)
KEYS = st.sampled_from(
    ["val_loss", "seed", "run_id", "task", "model.units", "tokens", "learning_rate"]
)


@settings(deadline=None)
@given(KEYS, NUMBERS | HASHES | PATHS.map(lambda path: f"./{path}"))
def test_ordinary_texts_stay_as_they_are(key: str, value: str) -> None:
    """Metrics, paths, hashes and run ids, beside the keys that runs have."""
    for text in (value, f"{key}: {value[:19]}", f'{{"{key}": {value[:19]}}}', f"run {value} ended"):
        assert redact(text) == text


@pytest.mark.parametrize(
    "text",
    [
        'pad_token="[PAD]", unknown_token="<unknown>"',
        "token: str | None = None",
        "password = getpass.getpass()",
        "make(token=args.token, password=password)",
        'os.environ["MLFLOW_TRACKING_PASSWORD"]',
        "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD",
        "max_tokens: 1000000",
        "next_token: 1.0000000000000002e+16",
        "PWD=/home/ada/project",
        "git@github.com:ada/project.git",
    ],
)
def test_code_that_only_names_a_secret_stays(text: str) -> None:
    """A changed text would keep a run with such uncommitted changes from being verified."""
    assert redact(text) == text


@pytest.mark.parametrize(
    "file",
    [*sorted((ROOT / "conf").rglob("*.yaml")), *sorted((ROOT / "src/truefit/models").glob("*.py"))],
    ids=lambda file: file.stem,
)
def test_our_own_configuration_and_models_hold_no_secret(file: Path) -> None:
    """A diff of them is kept whole."""
    assert redact(file.read_text()) == file.read_text()


@pytest.mark.parametrize(
    "text",
    [
        "a" * 300_000,
        "://a" * 10_000,
        "--" * 50_000,
        "password=" * 30_000,
        "<a" * 50_000,
        "pass: " * 50_000,
        "password:\n" * 30_000,
        "-----BEGIN PRIVATE KEY-----" * 10_000,
    ],
)
def test_a_long_text_takes_no_time(text: str) -> None:
    """No form looks at a text again and again."""
    began = time.process_time()

    redact(text)

    assert time.process_time() - began < 5
