"""Material, suppliers and orders: what planners keep in tables."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import AwareDatetime, Field

from twin.plant.base import Frozen

__all__ = [
    "BillOfMaterialLine",
    "ItemKind",
    "JobOrder",
    "MaterialDefinition",
    "Product",
    "PurchaseOrder",
    "Stock",
    "Supplier",
]

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\-]*$", max_length=64)]
Share = Annotated[float, Field(ge=0.0, lt=1.0)]
Amount = Annotated[float, Field(ge=0.0)]
PositiveAmount = Annotated[float, Field(gt=0.0)]


class ItemKind(StrEnum):
    """Where an item comes from."""

    MAKE = "make"
    BUY = "buy"
    PHANTOM = "phantom"


class Product(Frozen):
    """An item that runs down the line."""

    family: str
    """Products of one family share most of a setup."""


class MaterialDefinition(Frozen):
    """One item: what it costs and how it is bought."""

    item_id: Name
    description: str
    kind: ItemKind
    unit: str
    """Stock unit."""
    unit_cost: Amount = 0.0
    """In the plant's currency, per stock unit."""
    minimum_order: Amount = 0.0
    order_multiple: Amount = 0.0
    lead_time_mean_d: Amount = 0.0
    lead_time_p90_d: Amount = 0.0
    suppliers: tuple[str, ...] = ()
    """In order of preference."""


class BillOfMaterialLine(Frozen):
    """``quantity`` of the component goes into one of the parent at a work unit."""

    parent: Name
    component: Name
    quantity: PositiveAmount
    work_unit: str | None = None
    """Where the line consumes it; None: when the parent's own parent does."""
    scrap: Share = 0.0
    """Share of the component lost; the gross quantity is ``quantity / (1 - scrap)``."""


class Supplier(Frozen):
    """Who delivers, and how well."""

    supplier_id: Name
    name: str
    on_time: Annotated[float, Field(ge=0.0, le=1.0)]
    lead_time_cv: Amount
    order_cost: Amount = 0.0
    minimum_order_value: Amount = 0.0


class Stock(Frozen):
    """What is on hand now."""

    item_id: Name
    on_hand: Amount


class JobOrder(Frozen):
    """So many of one product by a due date."""

    order_id: Name
    product: Name
    quantity: Annotated[int, Field(gt=0)]
    """Parts to start."""
    release_at: AwareDatetime
    due_at: AwareDatetime
    priority: Annotated[int, Field(ge=1, le=9)] = 5
    """Weight of a late hour; 9 hurts most."""


class PurchaseOrder(Frozen):
    """An open purchase order: a scheduled receipt."""

    purchase_order_id: Name
    item_id: Name
    supplier_id: Name
    quantity: PositiveAmount
    due_at: AwareDatetime
