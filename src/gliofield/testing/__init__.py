"""Phantoms, and the laws that growth models, indexes and inverse methods keep, for whoever writes one of their own.

    check_growth_model(Gompertz())
    check_index(lambda database: NearestCenter(database))
    check_inverse_method(MyMethod())

Each check returns nothing and raises `BrokenLawError` with a sentence that says which law broke, and by what value.
No real data and no test framework are needed: everything happens in a small analytic brain, in temporary folders.
The laws are those of the protocols (`GrowthModel`, `Index`, `InverseMethod`); what a model is worth they do not say.
"""

from gliofield.lazy import lazy_names

_NAMES: dict[str, tuple[str, ...]] = {
    "growth_laws": ("check_growth_model",),
    "index_laws": ("check_index",),
    "inverse_laws": ("check_inverse_method",),
    "laws": ("BrokenLawError",),
    "phantom_brain": (
        "LESION_CENTER_MM",
        "PHANTOM_GRID",
        "phantom_anatomy",
        "phantom_atlas",
        "phantom_labels",
        "phantom_observation",
        "phantom_t1",
        "phantom_tissue_maps",
        "phantom_tumor",
        "write_phantom_patient",
    ),
    "phantom_database": ("PhantomDesign", "build_phantom_database"),
}

__getattr__, __dir__, __all__ = lazy_names(__name__, _NAMES)
