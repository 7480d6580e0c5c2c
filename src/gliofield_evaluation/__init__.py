"""What evaluates methods: scores over many patients, and the virtual cohort, whose truth is known.

It plugs into gliofield by entry points, as any package can (`gliofield.plugins`); gliofield never imports it.
"""

__all__: list[str] = []
