"""What every document shares: strict both ways, and how instants and values are said.

Answers are as strict as questions: a key that is not declared is an error on either side, so the
reference in docs/reference/api.md cannot fall behind what is sent.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

__all__ = ["Decision", "Instant", "Strict", "Value"]

Instant = AwareDatetime
"""ISO 8601 with its offset, in plant time."""

Value = float | str | bool | None


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Decision(Strict):
    """Who decides, and why; both go to the ledger."""

    who: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
    why: str = Field(default="", max_length=2000)
