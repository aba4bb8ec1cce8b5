"""OPC UA: sessions, subscriptions, history, security. Reads only; there is no write."""

from connectors.field.opcua.source import OpcuaSource

__all__ = ["OpcuaSource"]
