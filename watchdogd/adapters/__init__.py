"""The ports for real: MQTT, SQLite, the model API, processes, sandbox, clock."""
