"""Sources: OPC UA, MQTT JSON, Sparkplug B, and recordings."""
