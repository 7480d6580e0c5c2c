"""What reproduces the papers behind gliofield: their tables and figures, and the methods that only they need.

It plugs into gliofield by entry points, as any package can (`gliofield.plugins`); gliofield never imports it.
"""

__all__: list[str] = []
