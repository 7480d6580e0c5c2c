"""What a database holds beside what patients show, and how well it matches them as it grows."""

__all__: list[str] = []
