"""The settings every compiled kernel shares."""

from gliofield import compiled as compiled_module


def test_kernels_compile_without_a_cache_folder(monkeypatch):
    """Where Numba finds no writable cache folder, kernels are compiled without one."""

    def njit_on_a_read_only_disk(kernel, *, cache=False, **options):
        if cache:
            raise RuntimeError("cannot cache function: no locator available for file")
        return ("compiled", kernel, options)

    monkeypatch.setattr(compiled_module, "njit", njit_on_a_read_only_disk)

    def kernel():
        """Nothing."""

    assert compiled_module.compiled(kernel)[:2] == ("compiled", kernel)
