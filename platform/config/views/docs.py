"""The documents of docs/, served on the site: what a build may use, how grading works, how to write
a lab.
"""

from __future__ import annotations

import re
from functools import cache

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.safestring import SafeString
from django.views.decorators.http import require_safe

from grader.dockerfile.bases import operators_patterns
from webui.text_render import markdown

DOCUMENTS = {
    "learner": "For learners",
    "projects": "How your project is built and run",
    "grading": "How a verdict comes about",
    "glossary": "Glossary",
    "lab-author": "For lab authors",
    "operator": "Running Seatrial",
    "security": "Security",
    "benchmarks": "Benchmarks",
}
_LINK = re.compile(r"\[([^\]]+)\]\(([^)\s]+)\)")
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)


@require_safe
def document(request: HttpRequest, name: str) -> HttpResponse:
    """One document, or 404."""
    if name not in DOCUMENTS:
        raise Http404(f"There is no document {name[:40]!r}.")
    context = {
        "title": DOCUMENTS[name],
        "name": name,
        "documents": DOCUMENTS.items(),
        "body": _body(name),
        "public_bases": operators_patterns() if name == "projects" else (),
        "packages": settings.SEATRIAL_PACKAGES.sentence(),
    }
    return render(request, "webui/document.html", context)


@cache
def _body(name: str) -> SafeString:
    """The text without its first heading, with links among the documents as they are on the
    site.
    """
    text = (settings.ROOT / "docs" / f"{name}.md").read_text("utf-8")
    heading, _, rest = text.partition("\n")
    return markdown(
        _LINK.sub(_on_the_site, _COMMENT.sub("", rest if heading.startswith("# ") else text))
    )


def _on_the_site(match: re.Match[str]) -> str:
    """A link to another document leads to its page; one into the checkout, which the site does not
    serve, is text.
    """
    text, target = match.groups()
    if target.startswith(("http://", "https://", "#")):
        return match[0]
    name, _, place = target.removesuffix("#").partition("#")
    known = name.removesuffix(".md")
    if name.endswith(".md") and known in DOCUMENTS:
        text = DOCUMENTS[known] if text.endswith(".md") else text
        return f"[{text}](/docs/{known}/{'#' + place if place else ''})"
    return text
