"""What the agent can look up. Replace the dictionary by your database."""

from dataclasses import dataclass

from omnia_tools import ToolFailed, tool


@dataclass
class Order:
    order: str
    item: str
    status: str


ORDERS = {
    "A-1001": Order("A-1001", "oak desk", "on its way"),
    "A-1002": Order("A-1002", "floor lamp", "being packed"),
}


@tool
def lookup_order(order: str) -> Order:
    """Look up the state of an order. Use it whenever a customer names an order number.

    Args:
        order: The order number, such as A-1001.
    """
    if order not in ORDERS:
        raise ToolFailed(f"There is no order {order}.")
    return ORDERS[order]
