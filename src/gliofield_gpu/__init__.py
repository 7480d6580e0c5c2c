"""Growth of many tumors at once on a CUDA device, with PyTorch and Triton: a plug-in of gliofield. **Experimental**.

The kernels were tested in Triton's interpreter, against the models of the processor. On a device they have not been
run yet, which is why they stand beside the product and not in it (docs/design/0013-what-stands-beside-the-product.md).
gliofield finds this module by its entry point, a `gliofield.growth.many.Device`, and never imports it.
"""

from gliofield_gpu.cuda import require_device, simulate_many, useful_batch
from gliofield_gpu.cuda_worker import CudaWorker, make_workforce

__all__ = ["CudaWorker", "make_workforce", "require_device", "simulate_many", "useful_batch"]
