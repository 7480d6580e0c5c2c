"""Growth of many tumors at once on a CUDA device, with PyTorch and Triton. **Experimental**.

The kernels were tested in Triton's interpreter, against the model of the processor; on a device they have not been run
yet. There is one way in, `gliofield.growth.simulate_many`, which alone imports this folder.
"""

__all__: list[str] = []
