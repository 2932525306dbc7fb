"""What a service's login may do in a project in PostgreSQL: the audit log is only added to."""

from __future__ import annotations

import re

from nbannot.errors import StoreError
from nbannot.store.tables import tables

_LOGIN = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,62}")


def grant_statements(login: str, *, project: str = "default") -> list[str]:
    """Return the SQL that lets a login work with a project, but neither change nor delete audit rows.

    To be run by the owner of the schema, after each upgrade of nbannot as well. The login can make no
    tables: the owner migrates.

    Parameters
    ----------
    login
        Name of the PostgreSQL role.
    project
        Name of the project.

    Raises
    ------
    StoreError
        When a name holds characters that SQL would have to quote.
    """
    if not _LOGIN.fullmatch(login) or not _LOGIN.fullmatch(project):
        raise StoreError("A login or project is named by letters, digits, - and _")
    schema = f'"nbannot_{project.replace("-", "_")}"'
    everything = [
        f'REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM "{login}"',
        f'GRANT USAGE ON SCHEMA {schema} TO "{login}"',
        f'GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA {schema} TO "{login}"',
        f'GRANT SELECT ON {schema}.alembic_version TO "{login}"',
    ]
    for name in tables().metadata.tables:
        rights = "SELECT, INSERT" if name == "audit" else "SELECT, INSERT, UPDATE, DELETE"
        everything.append(f'GRANT {rights} ON {schema}.{name} TO "{login}"')
    return everything
