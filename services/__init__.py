"""The four services, one folder each; others use a service only through its client.py."""
