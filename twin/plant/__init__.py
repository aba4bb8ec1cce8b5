"""The plant: equipment, material, operations, reliability and signals, from one plant file."""

from twin.plant.calendars import Calendar
from twin.plant.equipment import (
    DefectResponse,
    Inspection,
    Power,
    ProcessParameter,
    Setup,
    SetupDistance,
    StorageZone,
    WorkUnit,
)
from twin.plant.file import load_plant, plant_schema
from twin.plant.laws import (
    Constant,
    Empirical,
    Exponential,
    Gamma,
    Law,
    Lognormal,
    Triangular,
    Uniform,
    Weibull,
)
from twin.plant.material import (
    BillOfMaterialLine,
    ItemKind,
    JobOrder,
    MaterialDefinition,
    Product,
    PurchaseOrder,
    Stock,
    Supplier,
)
from twin.plant.model import MaintenancePolicy, PlanningPolicy, Plant
from twin.plant.reliability import FailureForecast, FailureMode
from twin.plant.signals import (
    Signal,
    SignalId,
    SignalRole,
    Source,
    SourceKind,
    StateMap,
    WorkUnitState,
)

__all__ = [
    "BillOfMaterialLine",
    "Calendar",
    "Constant",
    "DefectResponse",
    "Empirical",
    "Exponential",
    "FailureForecast",
    "FailureMode",
    "Gamma",
    "Inspection",
    "ItemKind",
    "JobOrder",
    "Law",
    "Lognormal",
    "MaintenancePolicy",
    "MaterialDefinition",
    "PlanningPolicy",
    "Plant",
    "Power",
    "ProcessParameter",
    "Product",
    "PurchaseOrder",
    "Setup",
    "SetupDistance",
    "Signal",
    "SignalId",
    "SignalRole",
    "Source",
    "SourceKind",
    "StateMap",
    "Stock",
    "StorageZone",
    "Supplier",
    "Triangular",
    "Uniform",
    "Weibull",
    "WorkUnit",
    "WorkUnitState",
    "load_plant",
    "plant_schema",
]
