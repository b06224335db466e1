"""Texts without passwords, tokens and keys: nothing of them goes into a file, a log or a tracker.

Two rules. What the environment holds as a secret is replaced wherever it stands. And what a text
shows as a secret is replaced by its form: in addresses, headers, `name=value` pairs, options, and
the tokens that services mark with a prefix of their own.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from urllib.parse import quote

ADDRESSES = ("TRUEFIT_STORAGE", "MLFLOW_TRACKING_URI", "MLFLOW_BACKEND_STORE_URI")
SHORTEST = 6  # characters of a secret in the environment; shorter ones are part of other words
HIDDEN = "***"
# The account in an address; none is longer than this, and a text may be.
ACCOUNT = re.compile(r"(?<=://)([^/\s]{1,1000}|[^/\s:]{0,1000}:\S{1,1000})@")
# Names of variables; a `..._FILE` holds a path.
VARIABLE = re.compile(
    r"PASSWORD|PASSWD|PASSPHRASE|PASSCODE|TOKEN(?!IZ)|SECRET|CREDENTIAL|WEBHOOK|CONNECTION_STRING"
    r"|(^|_)((API)?KEY(_|S?$)|(PG)?PASS(_|\d*$)|PAT$|AUTH$|JWT(_|$))|_PWD$",
    re.IGNORECASE,
)
PLACE = re.compile(r"_(FILE|PATH|DIR|FOLDER|NAME)$", re.IGNORECASE)

WORD = (
    r"(?:password|passwd|passphrase|passcode|secret|credential"
    r"|passwort|kennwort|contraseña|mot_de_passe|senha"
    r"|(?:api|access|private|account|secret|auth|signing|encryption)[_-]?key(?:[_-]?id)?)s?\d*"
)
# Words that are names of other things too: only what looks like a secret is one behind them.
OTHER_KEYS = (
    "cache|column|config|data|dict|foreign|group|index|metric|model|num|param|partition|primary"
    "|public|row|sort|state"
)
OFTEN = (
    r"(?<![A-Za-z])(?:(?:pg)?pass|pwd?|pat|jwt|auth|api[ ]key"
    rf"|(?!(?:{OTHER_KEYS})[_-]key)[A-Za-z][A-Za-z0-9_-]{{0,30}}[_-]key)"
)
END = r"\\*[\"']?[ \t]*(?:=>|:=|[:=])[ \t]*[bfru]{0,2}"  # after a name, which may be quoted
# A value in quotes, in escaped ones (JSON within JSON), or in quotes that a cut left open.
QUOTED = r"(?:(\\+[\"'])[^\"'\\\n]+\\+[\"']|([\"'])(?:\\.|(?!\3)[^\\\n])+(?:\3|$))"
BARE = r"[^\s\"'`,;(){}\[\]<>$*&|]"
# Code such as `password = getpass()`, `token=args.token` or `{"password": password}` holds none.
NO_CODE = rf"(?![A-Za-z_][\w.]*[(\[])(?!(?:[A-Za-z_]+\.)+[A-Za-z_]+(?!{BARE}))(?!{WORD}(?!{BARE}))"
NO_NUMBER = rf"(?![-+]?[\d.]+(?:e[-+]?\d+)?(?!{BARE}))"
MIXED = rf"(?=(?:(?!\d){BARE})*\d)(?=[^A-Za-z\s]*[A-Za-z])"  # letters and digits
PAIRS = (
    re.compile(rf"((?:{WORD}|\bpwd){END}){QUOTED}", re.IGNORECASE | re.MULTILINE),
    # A token's value is one only if it looks so: `pad_token="<pad>"` is none.
    re.compile(
        rf"((?:token|{OFTEN}){END})(?!\\*[\"'][/~.])(?=\\*[\"'][^\"'\n]*(?:\d[^\"'\n]*[A-Za-z]|[A-Za-z][^\"'\n]*\d|\S{{20}}))"
        rf"{QUOTED}",
        re.IGNORECASE | re.MULTILINE,
    ),
)
BEGIN = r"-{4,5}[ ]?BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?[ ]?-{4,5}"
LOOKS = r"(?=[^\"'\n]*(?:\d[^\"'\n]*[A-Za-z]|[A-Za-z][^\"'\n]*\d))"  # a text in quotes
KEY = rf"^[ \t+-]*[\"']?[\w.-]{{0,40}}?(?:{WORD}|token)[\"']?[ \t]*:[ \t]*"  # of a line of YAML
FORMS = (
    # A key to its end; without one, what else looks like its lines, in whatever quotes.
    (re.compile(rf"{BEGIN}(?:(?!{BEGIN})[\s\S]){{0,16384}}?-{{4,5}}[ ]?END [A-Z0-9 ]*PRIVATE KEY"
                r"(?: BLOCK)?[ ]?-{4,5}"), HIDDEN),
    (re.compile(rf"{BEGIN}[^\"'<]*?(?=[\"'<]|\Z)(?:(?:[\"'<>\s+,]|\\n){{1,40}}[\w+/=]{{16,}})*"),
     HIDDEN),
    (re.compile(r"(Private-Lines:[ \t]*\d+[ \t]*(?:\\r)?(?:\\n|\r?\n))"
                r"(?:(?!Private-Lines:)[\s\S]){0,16384}?(?:Private-MAC:[ \t]*[0-9a-fA-Z]\S*|\Z)"),
     rf"\1{HIDDEN}"),  # PuTTY's
    (re.compile(r"\b(Signature=)[\w%/+=-]{16,}"), rf"\1{HIDDEN}"),  # of AWS
    (re.compile(r"((?:hooks\.slack\.com/\w+|discord(?:app)?\.com/api/webhooks)/)[\w/-]{8,}"),
     rf"\1{HIDDEN}"),
    (re.compile(r"((?:proxy-)?authorization\\*[\"']?[ \t]*[:=,][ \t]*\\*[\"']?)"
                r"((?:basic|bearer|digest|token|negotiate|apikey)[ \t]+)?[^\s\"'\\,]+",
                re.IGNORECASE), rf"\1\2{HIDDEN}"),
    (re.compile(r"\b(bearer[ \t]+)(?=[\w.~+/=-]*\d|[\w.~+/=-]{16})[\w.~+/=-]{6,}",
                re.IGNORECASE), rf"\1{HIDDEN}"),
    (re.compile(r"\b((?:set-)?cookie:[ \t]*)[^\n\"']+", re.IGNORECASE), rf"\1{HIDDEN}"),
    # --password 'x', --token x, ["--api-key", "x"]
    (re.compile(rf"((?<!-)--[\w-]{{0,40}}?(?:{WORD}|token)(?:=|[ \t]+|[\"'],[ \t]*(?=[\"'])))"
                r"(?:\"[^\"\n]+\"|'[^'\n]+'|[^\s\"'`\-][^\s\"'`]*)", re.IGNORECASE),
     rf"\1{HIDDEN}"),
    (re.compile(r"((?:^|\s)(?:-u|--user)[ =][\"']?[^\s:\"']+:)[^\s\"']+"), rf"\1{HIDDEN}"),
    (re.compile(r"(\blogin\s+)\S+(\s+password\s+)\S+"), rf"\1{HIDDEN}\2{HIDDEN}"),  # .netrc
    (re.compile(r"(<(\w{0,40}?(?:password|token|secret|key))>)[^<\n]+(?=</\2>)", re.IGNORECASE),
     rf"\1{HIDDEN}"),
    # <property name="password">x</property>, <add key="password" value="x"/>
    (re.compile(rf"(\b(?:name|key)=([\"'])[\w.-]{{0,40}}?(?:{WORD}|token)\2"
                r"(?:[ \t]+value=[\"']|[^<>\n]{0,80}>))[^<>\"'\n]+", re.IGNORECASE),
     rf"\1{HIDDEN}"),
    # mysql -uroot -px, docker login -u ada -p x, ada:x@example.org
    (re.compile(rf"(\b(?:mysql\w*|sshpass|login)\b[^\n|;]{{0,80}}?\s-p[ =]?){MIXED}{BARE}{{6,}}"),
     rf"\1{HIDDEN}"),
    (re.compile(r"((?:^|[\s\"'(=/])[\w.+-]{1,64}:)(?=[^\s@:/]*\d)(?=[^\s@:/]*[A-Za-z])"
                r"[^\s@:/\"']{6,}(?=@(?!sha256:)[\w-]+[.:/])", re.MULTILINE), rf"\1{HIDDEN}"),
    # in a query
    (re.compile(r"(?<=[?&;])(user|password|pwd|token|access_token|sig|signature|key|api_?key|secret"
                r"|awsaccesskeyid|x-amz-(?:signature|credential|security-token))=[^&\s\"'#;]+",
                re.IGNORECASE), rf"\1={HIDDEN}"),
    (re.compile(rf"\b(pwd=)(?![/~.]){BARE}+", re.IGNORECASE), rf"\1{HIDDEN}"),
    (re.compile(rf"({WORD}\"[ \t]*:[ \t]*)\d{{{SHORTEST},}}", re.IGNORECASE), rf'\1"{HIDDEN}"'),
    (re.compile(rf"({WORD}{END}){NO_CODE}{BARE}{{{SHORTEST},}}", re.IGNORECASE), rf"\1{HIDDEN}"),
    (re.compile(rf"(token{END}){NO_CODE}{NO_NUMBER}(?:{MIXED}{BARE}{{8,}}|{BARE}{{20,}})",
                re.IGNORECASE), rf"\1{HIDDEN}"),
    (re.compile(rf"(password[ \t]+(?:is[ \t]+)?)(?:([\"'])[^\"'\n]+\2|{MIXED}{BARE}{{6,}})",
                re.IGNORECASE), rf"\1{HIDDEN}"),
    (re.compile(rf"({OFTEN}{END})(?![/~.]){NO_CODE}{MIXED}{BARE}{{{SHORTEST},}}", re.IGNORECASE),
     rf"\1{HIDDEN}"),
    (re.compile(rf"((?<!-)--[\w-]{{0,40}}?\b(?:pass|pwd?|pat|auth|jwt)(?:=|[ \t]+)){MIXED}"
                rf"{BARE}{{{SHORTEST},}}", re.IGNORECASE), rf"\1{HIDDEN}"),
    # password=`x`, <x>, (x), {x}, $x; but ${x} and $X name a variable
    (re.compile(rf"({WORD}{END})(?!\$(?:\{{|(?-i:[A-Z_][A-Z0-9_]*)(?!{BARE})))[`<({{$]{{1,3}}{NO_CODE}"
                rf"{MIXED}{BARE}{{{SHORTEST},}}[`>)}}]{{0,3}}", re.IGNORECASE), rf"\1{HIDDEN}"),
    (re.compile(rf"({WORD}(?:%22)?(?:%3D|%3A)(?:%20|%22)*)(?:(?!%2[26])[^\s&\"'])+",
                re.IGNORECASE), rf"\1{HIDDEN}"),
    # YAML on the next line, or on the next lines
    (re.compile(rf"({KEY}\n[+-]?[ \t]+)[^\s:-]\S{{5,}}(?=[ \t]*(?:\n|\Z))",
                re.IGNORECASE | re.MULTILINE), rf"\1{HIDDEN}"),
    (re.compile(rf"((?:{WORD}|token)[\"']?[ \t]*:[ \t]*[|>][-+\d]*[ \t]*\n"
                r"([+-]?[ \t]+))\S[^\n]*(?:\n\2[^\n]*)*",
                re.IGNORECASE | re.MULTILINE), rf"\1{HIDDEN}"),
    # a pair of name and value
    (re.compile(rf"(\bname[\"']?[ \t]*:[ \t]*[\"']?[\w.-]{{0,40}}?(?:{WORD}|token|pass|pwd|[_-]key)"
                r"[\"']?,?[ \t]*(?:\n[+-]?)?[ \t]*[\"']?value[\"']?[ \t]*:[ \t]*)"
                r"(?:\"[^\"\n]+\"|'[^'\n]+'|[^\s\"',{}]+)", re.IGNORECASE), rf"\1{HIDDEN}"),
    # the same as Python writes it, and an account for requests
    (re.compile(rf"([\"'][\w.-]{{0,40}}?(?:{WORD}|token)[\"'][ \t]*,[ \t]*([\"'])){LOOKS}[^\"'\n]+"
                r"(?=\2)", re.IGNORECASE), rf"\1{HIDDEN}"),
    (re.compile(r"((?:\bauth[ \t]*=[ \t]*|(?:Basic|Digest)Auth)\([ \t]*[\"'][^\"'\n]{0,80}[\"']"
                r"[ \t]*,[ \t]*([\"']))[^\"'\n]+(?=\2)", re.IGNORECASE), rf"\1{HIDDEN}"),
    # The prefixes of AWS, GitHub, GitLab, Hugging Face, OpenAI, Slack, Google, npm, PyPI, Stripe,
    # SendGrid, Shopify, DigitalOcean, Docker, Vault, Groq, NVIDIA, Svix, age, Linear,
    # New Relic, Postman, Figma, Notion, Supabase, Replicate, Perplexity, xAI, Tailscale, Square,
    # Databricks, and of a JSON Web Token (RFC 7519).
    (re.compile(r"\b(?:(?:AKIA|ASIA|AROA|AIDA|AGPA|ANPA)[A-Z0-9]{16}"
                r"|gh[pousr]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|hf_[A-Za-z0-9]{16,}"
                r"|sk-[\w-]{20,}|xox[abeoprs]-[\w-]{10,}|AIza[\w-]{30,}|ya29\.[\w-]{10,}"
                r"|xapp-[\w-]{10,}|gl(?:dt|rt|ptt|cbt|ft|soat)-[\w-]{16,}|GOCSPX-[\w-]{16,}"
                r"|SG\.[\w-]{16,}\.[\w-]{16,}|shp(?:at|ca|pa|ss)_\w{16,}|do[opr]_v1_\w{16,}"
                r"|dckr_[po]at_[\w-]{16,}|hv[sb]\.[\w-]{16,}|gsk_\w{16,}|nvapi-[\w-]{16,}"
                r"|whsec_[\w+/=]{16,}|AGE-SECRET-KEY-1[A-Z0-9]{20,}"
                r"|lin_api_\w{16,}|NRAK-[A-Z0-9]{16,}|PMAK-[\w-]{16,}|figd_[\w-]{16,}|ntn_\w{16,}"
                r"|sbp_\w{16,}|r8_\w{16,}|pplx-\w{16,}|xai-\w{16,}|tskey-\w+-[\w-]{16,}"
                r"|sq0[a-z]{3}-[\w-]{16,}|dapi[0-9a-f]{32}"
                r"|npm_[A-Za-z0-9]{30,}|pypi-[\w-]{16,}|[sr]k_(?:live|test)_\w{16,}"
                r"|eyJ[\w-]{8,}\.[\w-]{4,}(?:\.[\w-]*)?)"), HIDDEN),
)  # fmt: skip


def redact(text: str) -> str:
    """`text` with every password, token and key in it replaced by `***`.

    Those of the environment whatever signs they hold, those of an address up to its `@`, others
    where their form or their name shows them. A text without any is the same text.
    """
    for name in ADDRESSES:
        address = os.environ.get(name, "").partition("://")[2]
        for part in (address, address.partition("?")[0]):  # a query may have an @, a password a ?
            if secret := part.rpartition("@")[0]:
                text = text.replace(f"{secret}@", f"{HIDDEN}@")
    for secret in sorted(_secrets(), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    text = ACCOUNT.sub(f"{HIDDEN}@", text)
    for form in PAIRS:
        text = form.sub(lambda m: f"{m[1]}{m[2] or m[3]}{HIDDEN}{m[2] or m[3]}", text)
    for form, shown in FORMS:
        text = form.sub(shown, text)
    return text


def is_secret(variable: str) -> bool:
    """Whether an environment variable's name says that its value is a secret."""
    return bool(VARIABLE.search(variable)) and not PLACE.search(variable)


def _secrets() -> Iterator[str]:
    """The environment's secrets, as they are and as an address, JSON or Python would write them."""
    for name, value in os.environ.items():
        if is_secret(name):
            lines = [line.strip() for line in value.splitlines()]
            for one in {value, *lines}:
                if len(one) >= SHORTEST:
                    yield from {one, quote(one, safe=""), json.dumps(one)[1:-1], repr(one)[1:-1]}
