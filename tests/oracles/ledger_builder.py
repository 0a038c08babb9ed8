"""Builds whole ledgers in memory, with their rows, for the tests of the verifier.

It appends as a store does, one entry at a time, but keeps everything in lists. The
rows beside the ledger are kept by their own simple rules while plans are played,
not added up from the entries.
"""

from dataclasses import dataclass, field

from audit.accounting import Records
from audit.canonical import canonical_text
from audit.entry import decode_entry, draft_entry, encode_entry
from audit.events import AuditEventType, EventType, PlatformEventType, ReasonCode
from audit.merkle import EMPTY, Frontier, leaf_hash
from audit.records import LedgerHead, StoredEntry
from audit.trail import START, advance, is_closed
from audit.verification import VerificationReport, verify_ledger

LEDGER = "ledger-1"
START_US = 1_700_000_000_000_000
E = AuditEventType
Row = dict[str, str | int | bytes | None]


def token_hash(number: int) -> str:
    return f"sha256:{number:064x}"


def execution_id(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012x}"


@dataclass
class Ledger:
    """Entries, head and rows, as a store would hold them."""

    entries: list[StoredEntry] = field(default_factory=list)
    executions: dict[str, Row] = field(default_factory=dict)
    usage: dict[str, Row] = field(default_factory=dict)
    uses: list[Row] = field(default_factory=list)
    now_us: int = START_US

    def append(
        self, stream: str, event_type: EventType, status: str, **more: object
    ) -> StoredEntry:
        """Append one entry; ``more`` are further arguments of ``draft_entry``."""
        if status in {"denied", "failed", "aborted"}:
            more = {"reason": "because", "reason_code": ReasonCode.INTERRUPTED, **more}
        names = {"user_id": "alice", "domain": "apollo", "method": "analyze_habits"}
        draft = draft_entry(
            event_type,
            status=status,
            **{"token_hash": token_hash(1), **names, **more},  # type: ignore[arg-type]
        )
        mine = [row for row in self.entries if row.stream == stream]
        self.now_us += 1
        data = encode_entry(
            draft,
            ledger_id=LEDGER,
            stream=stream,
            index=len(mine),
            time_us=self.now_us,
            prev=mine[-1].leaf_hash.hex() if mine else "",
        )
        before = mine[-1].state if mine else START
        state = advance(stream, before, event_type, status, steps=draft.steps)
        self.entries.append(
            StoredEntry(
                len(self.entries),
                stream,
                len(mine),
                self.now_us,
                draft.type,
                state,
                leaf_hash(data),
                data,
            )
        )
        self._note_execution(self.entries[-1])
        return self.entries[-1]

    def _note_execution(self, row: StoredEntry) -> None:
        if row.stream.startswith("execution:"):
            name = row.stream.removeprefix("execution:")
            entry = decode_entry(row.data)
            code = entry.reason_code
            ended = {"success": code is None}
            if code is not None:
                ended |= {"code": code.value, "step": None}
            first = self.executions.get(name, {})
            self.executions[name] = {
                "execution_id": name,
                "token_hash": first.get("token_hash", entry.token_hash),
                "user_id": first.get("user_id", entry.user_id),
                "started_us": first.get("started_us", row.time_us),
                "outcome": canonical_text(ended) if is_closed(row.state) else None,
                "events": row.index + 1,
                "last_hash": row.leaf_hash.hex(),
                "trail_state": row.state,
                "state": "closed" if is_closed(row.state) else "open",
            }

    def issue(self, number: int = 1) -> None:
        """Append the first entry of a token's stream."""
        handle = token_hash(number)
        self.append(f"token:{handle}", E.TOKEN_ISSUED, "success", token_hash=handle)

    def start(self, number: int, token: int, step: int) -> None:
        """Append SCOPE, LIMIT, STARTED of one step, and keep the usage."""
        stream, handle = f"execution:{execution_id(number)}", token_hash(token)
        self.append(stream, E.AUTHORIZATION_SCOPE_CHECK, "success", token_hash=handle)
        self.append(stream, E.RESOURCE_LIMIT_CHECK, "success", token_hash=handle)
        details = {"step": step, "reserved": 100}
        self.append(
            stream, E.EXECUTION_STARTED, "started", token_hash=handle, details=details
        )
        usage = self.usage.setdefault(
            handle,
            {
                "token_hash": handle,
                "invocations": 0,
                "units": 0,
                "reserved": 0,
                "executions": 0,
            },
        )
        self._add(usage, invocations=1, reserved=100, executions=int(step == 0))
        if step == 0:
            self.uses.append(
                {
                    "token_hash": handle,
                    "number": usage["executions"],
                    "time_us": self.now_us,
                    "execution_id": execution_id(number),
                }
            )

    def finish(self, number: int, token: int, step: int, status: str) -> None:
        """Append the end of a started step, and settle."""
        stream, handle = f"execution:{execution_id(number)}", token_hash(token)
        kind = E.OPERATION_ABORTED if status == "aborted" else E.EXECUTION_COMPLETED
        details = {"step": step, "charged": 40 + step}
        self.append(stream, kind, status, token_hash=handle, details=details)
        self._add(self.usage[handle], units=40 + step, reserved=-100)

    @staticmethod
    def _add(usage: Row, **amounts: int) -> None:
        for name, amount in amounts.items():
            before = usage[name]
            assert isinstance(before, int)
            usage[name] = before + amount

    def validate(self, number: int, token: int = 1, steps: int = 2) -> None:
        """Append a successful TOKEN_VALIDATION."""
        self.append(
            f"execution:{execution_id(number)}",
            E.TOKEN_VALIDATION,
            "success",
            token_hash=token_hash(token),
            domain="orchestration_plan",
            method="execute_plan",
            details={"steps": steps},
        )

    def plan(self, number: int, token: int = 1, steps: int = 2) -> None:
        """Append the trail of a successful plan."""
        self.validate(number, token, steps)
        for step in range(steps):
            self.start(number, token, step)
            self.finish(number, token, step, "success")

    @property
    def tree(self) -> Frontier:
        """The tree over the entries."""
        return EMPTY.extend(row.leaf_hash for row in self.entries)

    @property
    def head(self) -> LedgerHead:
        """The head over the entries."""
        time_us = max((row.time_us for row in self.entries), default=0)
        return LedgerHead(len(self.entries), self.tree.root(), time_us)

    @property
    def records(self) -> Records:
        """The rows, in the order of their keys."""
        uses = sorted(self.uses, key=lambda row: (row["token_hash"], row["number"]))
        return Records(self.executions.values(), self.usage.values(), uses)

    def verify(self, entries: list[StoredEntry] | None = None) -> VerificationReport:
        """Verify these entries (or the ledger's own) against the ledger's head."""
        return verify_ledger(
            self.entries if entries is None else entries,
            ledger_id=LEDGER,
            head=self.head,
            frontier=self.tree,
            records=self.records,
        )


def a_ledger() -> Ledger:
    """Build a small ledger with a stream of every kind and every sort of ending."""
    ledger = Ledger()
    success = "success"
    ledger.append("platform", PlatformEventType.KEY_ADDED, success)
    ledger.issue(1)
    ledger.issue(2)
    ledger.plan(1, token=1, steps=2)
    # Two plans whose entries are mixed, one aborted in a started step.
    ledger.validate(2, token=1)
    ledger.validate(3, token=2)
    ledger.start(2, token=1, step=0)
    ledger.start(3, token=2, step=0)
    ledger.finish(3, token=2, step=0, status="failed")
    ledger.finish(2, token=1, step=0, status="aborted")
    # A violation, an unknown token, a refusal, an open plan, a pause.
    ledger.validate(4, token=2)
    ledger.start(4, token=2, step=0)
    stream = f"execution:{execution_id(4)}"
    ledger.append(stream, E.BOUNDARY_VIOLATION, "denied", token_hash=token_hash(2))
    ledger.finish(4, token=2, step=0, status="failed")
    ledger.append(f"execution:{execution_id(5)}", E.EXECUTION_DENIED, "denied")
    ledger.append(f"execution:{execution_id(6)}", E.TOKEN_VALIDATION, "denied")
    ledger.append(f"execution:{execution_id(6)}", E.EXECUTION_DENIED, "denied")
    ledger.validate(7, token=1)
    ledger.start(7, token=1, step=0)
    ledger.append("platform", PlatformEventType.PLATFORM_PAUSED, success)
    ledger.append(f"token:{token_hash(1)}", E.TOKEN_REVOKED, success)
    return ledger
