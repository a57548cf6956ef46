"""LabSpec: the one model of a lab folder (``lab.yaml``).

Its JSON Schema is exported for editors.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from grader.lab.rules import filled
from grader.result import Frozen

SLUG = r"^[a-z][a-z0-9-]{1,40}$"


class Limits(Frozen):
    """Bounds of the learner's container and of the run."""

    cpu: float = Field(1.0, gt=0, le=4, description="cores")
    memory_mb: int = Field(512, ge=64, le=8192)
    pids: int = Field(128, ge=16, le=4096)
    tmp_mb: int = Field(
        64, ge=1, le=2048, description="size of the tmpfs at /tmp, counted in memory"
    )
    data_mb: int = Field(
        0, ge=0, le=4096, description="size of the volume at /data that survives a restart; 0: none"
    )
    build_s: int = Field(300, ge=10, le=1800)
    ready_s: int = Field(60, ge=5, le=600)
    run_s: int = Field(240, ge=10, le=3600, description="bound on everything after the build")
    stop_grace_s: int = Field(10, ge=1, le=60)


class Service(Frozen):
    """The learner's service in the pod."""

    name: str = Field("app", pattern=SLUG)
    port: int = Field(8080, ge=1024, le=65535, description="handed out as $PORT")
    ready_path: str = Field(
        "/readyz", pattern=r"^/", description="answers 200 when the service can take traffic"
    )
    env: dict[str, str] = {}


class Sidecar(Frozen):
    """A real component that the lab provides. ``kind`` names an entry of grader.sidecars."""

    name: str = Field(pattern=SLUG, description="host name in the pod")
    kind: str
    port: int = Field(ge=1024, le=65535)
    config: dict[str, Any] = {}
    env: dict[str, str] = {}
    cpu: float = Field(0.4, gt=0, le=4)
    memory_mb: int = Field(256, ge=32, le=8192)
    app_env: dict[str, str] = Field(
        {}, description="set in the learner's container; {host} and {port} are filled in"
    )


class Replicas(Frozen):
    """The learner's service several times behind a load balancer, which has the service's name and
    port.

    The copies are called ``<service>-1``, ``<service>-2``, ...; each has its own port (they share
    one network namespace) and REPLICA, its number, in its environment. Limits hold for each copy.
    """

    count: int = Field(ge=2, le=4)
    first_port: int = Field(
        18081, ge=1024, le=65000, description="$PORT of the first copy; the others follow"
    )
    balancer_cpu: float = Field(0.3, gt=0, le=4)
    balancer_memory_mb: int = Field(96, ge=32, le=1024)


class CheckUse(Frozen):
    """One use of a check, with parameters that the check's own model validates."""

    check: str = Field(
        description="id of the check: a library id, or 'lab:<module>.<Class>' from checks/ of the lab"
    )
    params: dict[str, Any] = {}


class Criterion(Frozen):
    """One row of the rubric. Passed when every check passes."""

    id: str = Field(pattern=SLUG)
    title: str
    what: str = Field("", description="one line under the title")
    rule: str = Field(
        description="the rule as the rubric shows it; {name} is a parameter of its checks"
    )
    weight: float = Field(gt=0, le=100)
    gate: bool = False
    hint: int | None = Field(None, description="number of the hint that helps when this fails")
    checks: list[CheckUse] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _rule_with_its_thresholds(cls, data: Any) -> Any:
        if not isinstance(data, dict) or not isinstance(data.get("rule"), str):
            return data
        uses = data.get("checks")
        params = [use.get("params") for use in uses if isinstance(use, dict)] if uses else []
        return data | {"rule": filled(data["rule"], [p for p in params if isinstance(p, dict)])}


class Rubric(Frozen):
    pass_score: float = Field(70, ge=1, le=100)
    gate_cap: float = Field(
        40, ge=0, le=100, description="score of a run with a failed gate, at most"
    )
    criteria: list[Criterion] = Field(min_length=1)

    @model_validator(mode="after")
    def _consistent(self) -> Rubric:
        ids = [c.id for c in self.criteria]
        if len(set(ids)) != len(ids):
            raise ValueError("criterion ids must be unique")
        if abs(sum(c.weight for c in self.criteria) - 100) > 1e-6:
            raise ValueError(
                f"weights must add up to 100, not {sum(c.weight for c in self.criteria):g}"
            )
        return self


class Promise(Frozen):
    """A sentence of the brief or the contract that a service can break, and what holds it.

    ``wrong``: the submission that breaks it and fails ``criterion``. ``by``: instead, who holds it
    otherwise.
    """

    id: str = Field(pattern=SLUG)
    says: str = Field(
        min_length=8, description="words of the brief or the contract, as they stand there"
    )
    criterion: str = ""
    wrong: str = ""
    by: Literal["", "sandbox", "shape", "freedom", "given"] = Field(
        "",
        description="sandbox: the engine enforces it; shape: the library's contract check; "
        "freedom: no duty; given: about what the lab gives",
    )

    @model_validator(mode="after")
    def _held(self) -> Promise:
        if bool(self.by) == bool(self.criterion and self.wrong):
            raise ValueError(
                "a rule names a criterion and a wrong submission, or says by whom it is held"
            )
        return self


class LabSpec(Frozen):
    """A lab.

    ``id`` never changes; ``version`` is the author's label, the content digest is the identity.
    """

    id: str = Field(pattern=SLUG)
    number: int = Field(ge=1)
    version: str = Field(pattern=r"^\d+\.\d+\.\d+$")
    title: str
    summary: str
    level: int = Field(ge=1, le=4)
    hours: int = Field(ge=1, le=100)
    skills: list[str] = Field(min_length=1)
    limits: Limits = Limits()
    service: Service = Service()
    replicas: Replicas | None = None
    contract: str = Field("openapi.yaml", description="OpenAPI document in the lab folder")
    bases: list[str] = Field(
        ["seatrial/runtime:1"], description="base images a Dockerfile may name"
    )
    sidecars: list[Sidecar] = []
    baseline: Sidecar | None = Field(
        None, description="a naive system to compare with, built from baseline/ of the lab"
    )
    rubric: Rubric
    rules: list[Promise] = Field(
        [], description="what the brief promises, and which criterion holds it"
    )

    @model_validator(mode="after")
    def _names(self) -> LabSpec:
        others = [*self.sidecars, *([self.baseline] if self.baseline else [])]
        copies = list(self.app_ports) if self.replicas else []
        parties = [self.service.name, *copies, *(s.name for s in others)]
        if len(set(parties)) != len(parties):
            raise ValueError("service, replicas, sidecars and baseline need different names")
        ports = [
            self.service.port,
            *(self.app_ports.values() if self.replicas else ()),
            *(s.port for s in others),
        ]
        if self.replicas and len(set(ports)) != len(ports):
            raise ValueError(
                "service, replicas, sidecars and baseline need different ports: they share one pod"
            )
        return self

    @property
    def app_ports(self) -> dict[str, int]:
        """Name -> port of every container that runs the learner's code; one without
        ``replicas``.
        """
        if self.replicas is None:
            return {self.service.name: self.service.port}
        numbers = range(self.replicas.count)
        return {f"{self.service.name}-{n + 1}": self.replicas.first_port + n for n in numbers}


class Edit(Frozen):
    """One change of the reference: ``old``, which stands there exactly once, becomes ``new``."""

    file: str
    old: str = Field(min_length=1)
    new: str


class Expectation(Frozen):
    """``expect.yaml`` of a submission: the verdict, and every criterion that does not pass."""

    verdict: Literal["passed", "failed", "not_gradable"]
    because: str = Field("", description="what this submission does, in one line")
    fails: list[str] = Field(
        [], description="exactly these fail; what stands behind a failed gate is skipped"
    )
    edits: list[Edit] = Field(
        [], description="what a wrong submission changes in the reference, in order"
    )


class Skill(Frozen):
    id: str = Field(pattern=SLUG)
    title: str
    text: str


class Track(Frozen):
    id: str = Field(pattern=SLUG)
    title: str
    text: str
    labs: list[str] = Field(
        description="lab ids in order; labs that are not installed yet are shown as planned"
    )
