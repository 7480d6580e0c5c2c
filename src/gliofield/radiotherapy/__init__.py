"""From a map to a target."""
