"""An OpenTelemetry receiver:

OTLP over HTTP, protobuf or JSON, at ``POST /v1/traces``. It keeps spans and nothing else.

Whoever is in the pod may send; what counts is for the checks to decide, by trace ids that they made
up themselves.
"""
