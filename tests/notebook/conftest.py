"""A kernel for the tests."""

import sys

import pytest
from kernels import PATIENCE, Kernel, environment


@pytest.fixture(scope="session")
def kernel(tmp_path_factory):
    """A real IPython kernel in a process of its own."""
    pytest.importorskip("ipykernel")
    jupyter_client = pytest.importorskip("jupyter_client")
    manager = jupyter_client.KernelManager(kernel_name="python3")
    # This interpreter, whatever kernels are installed.
    manager.kernel_spec.argv[0] = sys.executable
    manager.start_kernel(
        cwd=str(tmp_path_factory.mktemp("work")), env=environment(tmp_path_factory.mktemp("home"))
    )
    client = manager.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=PATIENCE)
        yield Kernel(manager, client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        manager.context.destroy()
