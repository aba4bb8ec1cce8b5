"""MQTT: one connection to a broker that carries plain JSON or Sparkplug B."""

from connectors.field.mqtt.source import MqttSource

__all__ = ["MqttSource"]
