"""Who acts on a project: every call is checked, done and written to the audit log as one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from nbannot.errors import AccessError, ConflictError, NbannotError, StoreError, UnknownItemError
from nbannot.store.access import Asked, Decision, decide
from nbannot.store.chain import append, held
from nbannot.store.database import Database
from nbannot.store.tables import tables

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row

T = TypeVar("T")

Detail = Mapping[str, Any]

NAME_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Actor:
    """A person at a project's database.

    Parameters
    ----------
    database
        Of the project.
    person
        Who acts.
    again
        Whether the person looks at what they handed in: reading a case is "own.read" then.
    """

    database: Database
    person: str
    again: bool = False

    def _asked(self, action: str, case: str | None, of: str | None) -> Asked:
        reads = self.again and action == "case.read"
        return Asked(self.person, "own.read" if reads else action, case, self.person if reads else of)

    def may(self, action: str, case: str | None = None, *, of: str | None = None) -> Decision:
        """Return whether the person may do something; nothing is written."""
        with self.database.reading() as connection:
            return decide(connection, self._asked(action, case, of))

    def check(self, action: str, case: str | None = None, *, of: str | None = None) -> None:
        """Refuse what the person may not do, and write the refusal down.

        Raises
        ------
        AccessError
            When the person may not.
        """
        decision = self.may(action, case, of=of)
        if not decision:
            self.refuse(action, case, decision.reason)
            raise refused(action, case, decision)

    def act(
        self,
        action: str,
        work: Callable[[Connection], T],
        *,
        case: str | None = None,
        of: str | None = None,
        session: str = "",
        detail: Detail | Callable[[T], Detail] | None = None,
        late: bool = False,
    ) -> T:
        """Check, do ``work`` and write it to the audit log, in one transaction.

        Parameters
        ----------
        action, case, of
            What is done, as in `Asked`.
        work
            Given the connection; what it raises undoes everything.
        session
            Id of the session it is about.
        detail
            What else the audit log says, or what makes it of the result of ``work``.
        late
            Whether others may work meanwhile and only the row of the log waits for theirs: for work whose own
            rows tell whether it may be done, such as an edit.

        Raises
        ------
        AccessError
            When the person may not. The refusal is written to the audit log.
        StoreError
            When it cannot be done; a refusal of ``work`` is written as well.
        """
        asked = self._asked(action, case, of)

        def done(connection: Connection) -> T | Decision:
            return self._done(connection, asked, work, session, detail, late)

        try:
            result = self.database.change(done)
        except _TakenAwayError as taken:
            self.refuse(action, case, taken.decision.reason, session=session)
            raise refused(action, case, taken.decision) from None
        except NbannotError as error:
            # What the database or the disk failed at is no refusal, and could not be written either.
            if error.__cause__ is None or isinstance(error, ConflictError):
                self.refuse(action, case, error.message, session=session)
            raise
        if isinstance(result, Decision):
            raise refused(action, case, result)
        return result

    def _done(
        self,
        connection: Connection,
        asked: Asked,
        work: Callable[[Connection], T],
        session: str,
        detail: Detail | Callable[[T], Detail] | None,
        late: bool,
    ) -> T | Decision:
        if not late:
            # From here on the changes of a project come one after another.
            held(connection)
        decision = decide(connection, asked)
        if not decision:
            self._write(connection, asked.action, asked.case, session, "refused", decision.reason)
            return decision
        result = work(connection)
        if late:
            held(connection)
            if not (now := decide(connection, asked)):
                raise _TakenAwayError(now)  # meanwhile; what was done is undone
        said = detail(result) if callable(detail) else detail
        self._write(connection, asked.action, asked.case, session, "done", decision.reason, said)
        return result

    def quietly(
        self, action: str, work: Callable[[Connection], T], *, case: str | None = None, of: str | None = None
    ) -> T:
        """Check and do ``work`` in one transaction, without a row in the log: for what says nothing, such as a view.

        Raises
        ------
        AccessError
            When the person may not. The refusal is written to the audit log.
        """

        def done(connection: Connection) -> T | Decision:
            decision = decide(connection, Asked(self.person, action, case, of))
            return work(connection) if decision else decision

        result = self.database.change(done)
        if isinstance(result, Decision):
            self.refuse(action, case, result.reason)
            raise refused(action, case, result)
        return result

    def note(
        self, action: str, *, case: str | None = None, session: str = "", detail: Detail | None = None
    ) -> None:
        """Check and write down what was only looked at; where nothing may be written, check only.

        Raises
        ------
        AccessError
            When the person may not.
        """
        if self.database.read_only:
            self.check(action, case)
        else:
            self.act(action, lambda _: None, case=case, session=session, detail=detail, late=True)

    def refuse(self, action: str, case: str | None, reason: str, *, session: str = "") -> None:
        """Write a refusal down; where that fails, the refusal stands all the same."""
        if self.database.read_only:
            return
        with suppress(StoreError):
            self.database.change(lambda c: self._write(c, action, case, session, "refused", reason))

    def _write(
        self,
        connection: Connection,
        action: str,
        case: str | None,
        session: str,
        outcome: str,
        reason: str,
        detail: Detail | None = None,
    ) -> None:
        append(
            connection, actor=self.person, action=action, case=case or "", session=session,
            outcome=outcome, reason=reason, detail=detail,
        )  # fmt: skip


class _TakenAwayError(Exception):
    """What allowed an action was taken away while it was done."""

    def __init__(self, decision: Decision) -> None:
        super().__init__(decision.reason)
        self.decision = decision


def refused(action: str, case: str | None, decision: Decision) -> AccessError:
    """Return the error of a refused action."""
    about = "" if case is None else f" for case {case!r}"
    return AccessError(
        f"You may not do this: {action}{about} is refused, because {decision.reason}",
        hint="Ask an owner of the project.",
    )


def case_row(connection: Connection, name: str) -> Row[Any]:
    """Return the row of a case.

    Raises
    ------
    UnknownItemError
        When there is none; names some that there are.
    """
    from sqlalchemy import select

    table = tables().cases
    row = connection.execute(table.select().where(table.c.name == name)).first()
    if row is None:
        some = connection.execute(select(table.c.name).order_by(table.c.id).limit(6)).scalars().all()
        more = ", …" if len(some) > 5 else ""
        hint = f"There are: {', '.join(some[:5]) or 'none'}{more}."
        raise UnknownItemError(f"There is no case {name!r}", hint=hint)
    return row


def plain_name(what: str, name: str) -> str:
    """Return a name that every database and page can hold.

    Raises
    ------
    StoreError
        When it is empty, too long, or holds control characters.
    """
    if not name.strip():
        raise StoreError(f"{what} needs a name")
    if len(name) > NAME_LENGTH:
        raise StoreError(f"The name of {what[0].lower()}{what[1:]} is longer than {NAME_LENGTH} characters")
    return plain_text(name, what)


def plain_text(text: str, what: str) -> str:
    """Return a text that every database can hold.

    Raises
    ------
    StoreError
        When it holds control characters or halves of characters.
    """
    wrong = [one for one in text if (ord(one) < 32 and one not in "\n\r\t") or 0xD800 <= ord(one) < 0xE000]
    if wrong:
        raise StoreError(
            f"{what} holds characters that cannot be kept", hint="Leave control characters away."
        )
    return text
