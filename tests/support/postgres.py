"""A PostgreSQL server of Debian's package for a test: it has its own folder and port, and is removed afterwards."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PASSWORDS = "host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
"""Who may connect and how: only the administrator, without a password."""


def postgres_programs() -> Path | None:
    """Return the folder of PostgreSQL's programs, None where the package is not installed."""
    folders = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    return max(folders, default=None)


@contextmanager
def postgres(programs: Path) -> Iterator[dict[str, str]]:
    """Run a server; give the environment in which psql and other programs reach it as its administrator."""
    user = "postgres" if os.geteuid() == 0 else None  # the server refuses to run as root
    home = Path(tempfile.mkdtemp(prefix="editaction-postgres-"))
    if user is not None:
        os.chown(home, pwd.getpwnam(user).pw_uid, -1)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    def call(*command: str) -> None:
        subprocess.run([programs / command[0], "-D", home / "data", *command[1:]], user=user, check=True, cwd=home)

    options = f"-p {port} -k {home} -c listen_addresses=127.0.0.1 -c fsync=off"
    try:
        call("initdb", "-U", "postgres", "--no-sync", "-E", "UTF8")
        (home / "data" / "pg_hba.conf").write_text(PASSWORDS)
        call("pg_ctl", "-o", options, "-l", str(home / "log"), "-w", "start")
        path = f"{programs}{os.pathsep}{os.environ['PATH']}"
        yield {"PATH": path, "PGHOST": "127.0.0.1", "PGPORT": str(port), "PGUSER": "postgres"}
    finally:
        call("pg_ctl", "-m", "immediate", "-w", "stop")
        shutil.rmtree(home)
