"""The model gateway: OpenAI-compatible, deterministic, metered. Control and ledger over stdin/stdout, never the network.

Prompt convention of the ``reader`` model
    The last user message holds the question in a line ``Question: ...``. Passages stand anywhere in the messages, one
    a line, as ``[id] text``. The reply is the span and the passage it came from, ``18 months [c17]``, or ``NOT_FOUND``.

Commands (``payload`` of a control command)
    {"command": "ledger", "since": 0}   -> {"rows": [...], "next": n, "totals": {...}}
    {"command": "faults", "rules": [{"kind": "429", "share": 0.1, "retry_after_s": 0.2}, ...]} -> {}
    {"command": "reset"}                -> {}: empties the ledger and ends all faults
    {"command": "ping"}                 -> {}

A reply depends on the run's seed, the model, the messages and how often they were asked; nothing else.
"""
