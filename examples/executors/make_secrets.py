"""Make the secrets that compose.yaml mounts, in a new folder that only you can enter.

``superuser``        the password of the database's superuser
``logins.sql``       what the database runs once: logins, each with one role
``NAME.service``     host, database, login and password of each login, for libpq
``passphrase``       what seals the keys of the security team

The files can be read by every user in the container that they are given to, since who
that is only the image knows; the folder around them keeps others on this machine out.
"""

import secrets
import sys
from pathlib import Path

LOGINS = {"security": "issuer", "worker": "executor", "audit": "auditor"}
HOST, DATABASE = "database", "ledger"

ROLES = """\
CREATE ROLE stage3_owner NOLOGIN;
CREATE ROLE stage3_issuer NOLOGIN;
CREATE ROLE stage3_executor NOLOGIN;
CREATE ROLE stage3_auditor NOLOGIN;
ALTER DATABASE {database} OWNER TO deploy;
REVOKE ALL ON DATABASE {database} FROM PUBLIC;
GRANT CONNECT ON DATABASE {database} TO stage3_issuer, stage3_executor, stage3_auditor;
GRANT stage3_owner TO deploy;
"""
SERVICE = """\
[{login}]
host={host}
dbname={database}
user={login}
password={password}
"""


def main(folder: Path, host: str = HOST) -> None:
    """Write everything, or nothing where something is already."""
    folder.mkdir(mode=0o700)
    passwords = {login: secrets.token_urlsafe(24) for login in ("deploy", *LOGINS)}
    # These passwords have letters, digits, - and _ only: nothing has to be escaped.
    made = [
        f"CREATE ROLE {login} LOGIN PASSWORD '{password}';"
        for login, password in passwords.items()
    ]
    granted = [f"GRANT stage3_{role} TO {login};" for login, role in LOGINS.items()]
    files = {
        "superuser": secrets.token_urlsafe(24),
        "passphrase": secrets.token_urlsafe(24) + "\n",
        "logins.sql": "\n".join([*made, ROLES.format(database=DATABASE), *granted, ""]),
    }
    for login, password in passwords.items():
        files[f"{login}.service"] = SERVICE.format(
            login=login, host=host, database=DATABASE, password=password
        )
    for name, text in files.items():
        (folder / name).write_text(text, encoding="ascii")
        (folder / name).chmod(0o444)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
