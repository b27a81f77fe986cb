"""Metrics for Prometheus, from the statistics that the service publishes on D-Bus.

Needs the library prometheus_client; the daemon and its workers load nothing of this package.
"""
