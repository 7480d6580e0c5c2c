"""Every way to search a database beside the exact one."""

__all__: list[str] = []
