"""Component demand as a distribution, netted into purchase proposals with their reason."""

from twin.planning.backflush import stock_after
from twin.planning.buckets import Buckets
from twin.planning.demand import ComponentDemand, ItemDemand, Peg, component_demand
from twin.planning.netting import ItemPlan, Netting, lot_quantity, net
from twin.planning.proposals import ProposalPeg, PurchaseProposal, propose
from twin.plant.explosion import explode

__all__ = [
    "Buckets",
    "ComponentDemand",
    "ItemDemand",
    "ItemPlan",
    "Netting",
    "Peg",
    "ProposalPeg",
    "PurchaseProposal",
    "component_demand",
    "explode",
    "lot_quantity",
    "net",
    "propose",
    "stock_after",
]
