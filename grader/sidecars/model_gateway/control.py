"""What the engine may ask of the gateway, over the line protocol of ``grader.sidecars.stdio``:

- ``ping`` -> {}
- ``ledger`` (since=0, limit=5000) -> {totals, rows, next, more}
- ``reset`` -> {}: the ledger is emptied, faults end, attempts count from 0
- ``faults`` (rules=[FaultRule], salt="") -> {rules}: replaces the schedule; an empty list ends all
  faults. Gateways
  with different salts fail independently of each other, though they share the run's seed
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field, TypeAdapter

from grader.sidecars.model_gateway.app import Gateway
from grader.sidecars.model_gateway.faults import MAX_RULES, FaultRule
from grader.sidecars.model_gateway.ledger import PAGE


class Ping(BaseModel):
    command: Literal["ping"]


class ReadLedger(BaseModel):
    command: Literal["ledger"]
    since: int = Field(0, ge=0)
    limit: int = Field(PAGE, ge=1, le=PAGE)


class Reset(BaseModel):
    command: Literal["reset"]


class SetFaults(BaseModel):
    command: Literal["faults"]
    rules: list[FaultRule] = Field(max_length=MAX_RULES)
    salt: str = Field("", max_length=100)


Command = Ping | ReadLedger | Reset | SetFaults
_COMMAND: TypeAdapter[Command] = TypeAdapter(Command)


def obey(gateway: Gateway, payload: Any) -> dict[str, Any]:
    """Carry out one command. Raises ValueError for an unknown or malformed one."""
    command = payload.get("command") if isinstance(payload, dict) else None
    if command not in ("ping", "ledger", "reset", "faults"):
        raise ValueError(
            f"there is no command {str(command)[:60]!r}; there are ping, ledger, reset and faults"
        )
    match _COMMAND.validate_python(payload):
        case ReadLedger(since=since, limit=limit):
            return gateway.ledger.read(since, limit)
        case SetFaults(rules=rules, salt=salt):
            gateway.set_faults(rules, salt)
            return {"rules": len(rules)}
        case Reset():
            gateway.reset()
    return {}
