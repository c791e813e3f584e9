"""What there is, for programs: the table of pages as OpenAPI 3.1."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from offtracfs.web.page import Data, Page

_VARIABLE = re.compile(r"<(?:(?P<converter>\w+):)?(?P<name>\w+)>")
_TYPES = {"int": "integer"}  # of Werkzeug's converters; all others give texts


def description(pages: Iterable[Page]) -> Data:
    """The description. The moment is a part of the server's address, since all pages have it."""
    moment = "A moment: 2011-04-09, 2011-04-09T21:16:07Z, HEAD~3, a commit. HEAD is now."
    return {
        "openapi": "3.1.0",
        "info": {"title": "offtracfs", "version": "1", "description": "An issue tracker at any moment."},
        "servers": [
            {"url": "/", "description": "now"},
            {"url": "/@{moment}", "variables": {"moment": {"default": "HEAD", "description": moment}}},
        ],
        "paths": dict(entry for page in pages for entry in _paths(page)),
    }


def _paths(page: Page) -> Iterable[tuple[str, Any]]:
    """One path for each format that programs read."""
    address = _VARIABLE.sub(r"{\g<name>}", page.rule)
    media_types = {"json": "application/json"} | {
        name: form.media_type for name, form in page.formats.items()
    }
    for form, media_type in media_types.items():
        operation = {
            "operationId": f"{page.name}_{form}",
            "summary": page.description,
            "parameters": [*_in_path(page), *_in_query(page)],
            "responses": {
                "200": {"description": page.description, "content": {media_type: {}}},
                "404": {"description": "It is not there, or was not at that moment."},
            },
        }
        yield f"{address}.{form}", {"get": operation}


def _in_path(page: Page) -> list[Any]:
    return [
        {
            "name": match["name"],
            "in": "path",
            "required": True,
            "schema": {"type": _TYPES.get(match["converter"], "string")},
        }
        for match in _VARIABLE.finditer(page.rule)
    ]


def _in_query(page: Page) -> list[Any]:
    return [
        {"name": name, "in": "query", "description": told, "schema": {"type": "string"}}
        for name, told in page.parameters
    ]
