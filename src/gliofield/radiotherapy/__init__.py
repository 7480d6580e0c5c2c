"""From density to radiotherapy: targets, their doses, and DICOM in and out."""

__all__: list[str] = []
