"""What the practice plant speaks: OPC UA, MQTT JSON and Sparkplug B, and a broker to speak to."""
