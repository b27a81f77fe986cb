"""What the service and its clients have in common on D-Bus. Only `wire` knows the library."""
