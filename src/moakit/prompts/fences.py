"""Delimiters that cannot occur in what they enclose."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence


def mark_for(seed: str, texts: Sequence[str]) -> str:
    """Return eight hexadecimal digits, derived from the run's id, that occur in none of the texts."""
    mark = seed[-8:]
    while not mark or any(mark in text for text in texts):
        mark = hashlib.sha256(f"{mark}|{seed}".encode()).hexdigest()[:8]
    return mark


def fence(mark: str, texts: Sequence[str]) -> str:
    """Return the texts, numbered from 1, each under a line that names the mark, with a closing line."""
    parts = [f"<<<{mark} reference {number}>>>\n{text}" for number, text in enumerate(texts, 1)]
    parts.append(f"<<<{mark} end of references>>>")
    return "\n".join(parts)
