"""What fields are called in a text, and in which order they stand."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection
from typing import Any

from offtracfs.kinds.fields import is_definition, of_every_trac
from offtracfs.texts.escapes import COMMANDS

CREATED, MODIFIED = "Created", "Modified"  # the times of the record itself
BY_NAME = "="  # before a field's name that is another's label, too; no label and no name begins so
_PLAIN = re.compile(rf"\w(?:[^:\\\n\t{COMMANDS}]*\w)?\??")
_ODD = re.compile("[^\\w.\\-\U00010000-\U0010ffff]")


class Labels:
    """The fields of a tracker as its texts name them: by their labels where these are clear, else by name.

    `fields` is what ``fields.json`` holds, or anything else: then the fields that every Trac has.
    """

    def __init__(self, fields: Any = None) -> None:
        known = [field for field in fields if is_definition(field)] if isinstance(fields, list) else []
        definitions = {field["name"]: field for field in known or of_every_trac()}
        self._order = tuple(definitions)
        self.defined = frozenset(definitions)
        self.lists = {name for name, field in definitions.items() if field.get("format") == "list"}
        self.long = {name for name, field in definitions.items() if field.get("type") == "textarea"}
        labels = {name: field.get("label") or name for name, field in definitions.items()}
        taken = Counter(label.casefold() for label in labels.values())
        taken.update(name.casefold() for name in definitions if labels[name].casefold() != name.casefold())
        taken.update({CREATED.casefold(): 1, MODIFIED.casefold(): 1})
        self._labels: dict[str, str] = {
            name: label
            for name, label in labels.items()
            if _PLAIN.fullmatch(label) and taken[label.casefold()] == 1
        }
        self._names: dict[str, str] = {label: name for name, label in self._labels.items()}

    def label(self, name: str) -> str:
        """What a field is called."""
        found = self._labels.get(name)
        if found is not None:
            return found
        spelled = _ODD.sub(lambda match: f"\\u{ord(match[0]):04x}", name)
        another = not spelled or spelled in self._names or spelled in (CREATED, MODIFIED)
        return BY_NAME + spelled if another else spelled

    def name(self, label: str) -> str:
        """The field that is called so."""
        found = self._names.get(label)
        if found is not None:
            return found
        return re.sub(r"\\u([0-9a-f]{4})", lambda match: chr(int(match[1], 16)), label.removeprefix(BY_NAME))

    def ordered(self, names: Collection[str]) -> list[str]:
        """Names of fields as they follow each other in a text: those that are not defined come last."""
        known = [name for name in self._order if name in names]
        return known if len(known) == len(names) else known + sorted(set(names) - set(known))
