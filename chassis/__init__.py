"""What every service is built with: errors, settings, logs, metrics, RPC. Knows no service."""
