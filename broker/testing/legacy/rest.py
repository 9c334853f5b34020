"""The endpoint's REST API: items in stock, and orders for them."""

import json
from collections.abc import Mapping
from threading import Lock
from typing import Any

from broker.testing.legacy.message import Reply, Request, json_reply, method_not_allowed

ITEMS: dict[str, dict[str, Any]] = {
    "1000": {"id": "1000", "name": "Surface plate", "quantity": 12},
    "1001": {"id": "1001", "name": "Torque wrench", "quantity": 40},
    "1002": {"id": "1002", "name": "Bearing 6204", "quantity": 950},
}
_MOST_ORDERS = 1000


class Rest:
    """The API under /api/. Orders are kept in memory, the latest thousand of them."""

    def __init__(self) -> None:
        """Start without orders."""
        self._orders: dict[str, dict[str, Any]] = {}
        self._number = 0
        self._lock = Lock()

    def answer(self, request: Request) -> Reply:
        """Answer a request for /api/…"""
        collection, _, key = request.path.removeprefix("/api/").partition("/")
        if (collection, key) == ("orders", ""):
            return self._order(request) if request.method == "POST" else method_not_allowed("POST")
        sources: dict[str, Mapping[str, dict[str, Any]]] = {"items": ITEMS, "orders": self._orders}
        if collection not in sources:
            return json_reply(404, {"error": "no such resource"})
        if request.method not in ("GET", "HEAD"):
            return method_not_allowed("GET", "HEAD")
        return self._show(sources[collection], key)

    def _show(self, source: Mapping[str, dict[str, Any]], key: str) -> Reply:
        if not key:
            return json_reply(200, list(source.values()))
        if key not in source:
            return json_reply(404, {"error": "not found"})
        return json_reply(200, source[key])

    def _order(self, request: Request) -> Reply:
        order = _read_order(request.body)
        if order is None:
            return json_reply(400, {"error": "an order needs a known item and a quantity above 0"})
        with self._lock:
            self._number += 1
            order["id"] = str(self._number)
            self._orders[order["id"]] = order
            self._orders.pop(str(self._number - _MOST_ORDERS), None)
        return json_reply(201, order, {"Location": f"{request.base_url}/api/orders/{order['id']}"})


def _read_order(body: bytes) -> dict[str, Any] | None:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(content, dict):
        return None
    item, quantity = content.get("item"), content.get("quantity")
    if not isinstance(item, str) or item not in ITEMS or type(quantity) is not int or quantity < 1:
        return None
    return {"item": item, "quantity": quantity, "status": "accepted"}
