"""The model gateway: an OpenAI-compatible sidecar whose replies, prices and delays follow from the
run's seed.

Network (``http://models:$PORT/v1``): ``POST /chat/completions`` (JSON, or server-sent events with
``stream: true``),
``POST /embeddings``, ``GET /models``; ``GET /healthz`` beside them. With ``keys`` in its
configuration every ``/v1``
call needs ``Authorization: Bearer <key>``. Control never crosses the network: see ``control``.

How to write a prompt for ``reader``:

- Context passages stand in messages of any role, each at the start of a line: ``[id] text``. A
  passage ends at an
  empty line, at the next ``[id]`` or at a ``Question:`` line.
- The question stands in the last user message, in a line that starts with ``Question:``.
- The reply is the answer and the id of the passage that it was taken from, ``42 days [c17]``, or
  ``NOT_FOUND``.
- The window is 2,048 WordPiece tokens: passages past it are dropped, the question never is.

It peaks at some 310 MB while it loads MiniLM: give the sidecar ``memory_mb: 384`` or more.

Example of a message: ``[c17] Refunds are paid within 42 days.\\nQuestion: How many days does a
refund take?``
"""
