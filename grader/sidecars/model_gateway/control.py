"""Control over stdin and stdout, one JSON object a line.

The first line is {"type": "start", "seed": str, "name": str, "port": int, "config": {...}}, answered by
{"type": "ready"} once the gateway listens and its model is warm. Then come {"type": "command", "id": n, "payload":
{"command": ...}}, each answered by {"type": "reply", "id": n, "ok": bool, "data": {...}} (``error`` when not ok):

- ``ping`` -> {}
- ``ledger`` (since=0, limit=5000) -> {totals, rows, next, more}
- ``reset`` -> {}: the ledger is emptied, faults end, attempts count from 0
- ``faults`` (rules=[FaultRule], salt="") -> {rules}: replaces the schedule; an empty list ends all faults. Gateways
  with different salts fail independently of each other, though they share the run's seed
"""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from grader.sidecars.model_gateway.app import Gateway
from grader.sidecars.model_gateway.config import GatewayConfig
from grader.sidecars.model_gateway.faults import MAX_RULES, FaultRule
from grader.sidecars.model_gateway.ledger import PAGE

MAX_LINE = 1 << 20


class Start(BaseModel):
    """The first line."""

    type: Literal["start"]
    seed: str
    name: str
    port: int = Field(ge=1, le=65535)
    config: GatewayConfig = GatewayConfig()


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


def parse_start(line: bytes) -> Start:
    """Raises ValueError (of pydantic) for anything but a start line."""
    return Start.model_validate_json(line)


def obey(gateway: Gateway, payload: Any) -> dict[str, Any]:
    """Carry out one command. Raises ValueError for an unknown or malformed one."""
    command = payload.get("command") if isinstance(payload, dict) else None
    if command not in ("ping", "ledger", "reset", "faults"):
        raise ValueError(f"there is no command {str(command)[:60]!r}; there are ping, ledger, reset and faults")
    match _COMMAND.validate_python(payload):
        case ReadLedger(since=since, limit=limit):
            return gateway.ledger.read(since, limit)
        case SetFaults(rules=rules, salt=salt):
            gateway.set_faults(rules, salt)
            return {"rules": len(rules)}
        case Reset():
            gateway.reset()
    return {}


def reply_to(gateway: Gateway, line: bytes) -> dict[str, Any]:
    """The answer to a line. Never raises: a bad line gets an answer that says what is wrong."""
    number: Any = None
    try:
        message = json.loads(line)
        if not isinstance(message, dict) or message.get("type") != "command":
            raise ValueError("send a JSON object with type 'command'")
        number = message.get("id")
        return {"type": "reply", "id": number, "ok": True, "data": obey(gateway, message.get("payload"))}
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_context=False, include_input=False)[:3]
        text = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in wrong)
    except (ValueError, RecursionError) as error:
        text = str(error)
    return {"type": "reply", "id": number, "ok": False, "data": {}, "error": text[:1000]}
