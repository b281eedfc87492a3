"""Compiles plugin.c, the SDK and the bindings to build/core.wasm.

The compiler is the clang that comes with Zig, from PyPI. CC names another one that can make wasm32-wasi, such as that
of wasi-sdk; it takes the same arguments.
"""

import os
import pathlib
import shlex
import subprocess
import sys

pathlib.Path("build").mkdir(exist_ok=True)
compiler = shlex.split(os.environ.get("CC", "")) or [sys.executable, "-m", "ziglang", "cc", "-target", "wasm32-wasi"]
options = ["-std=c17", "-Os", "-g", "-Wall", "-Wextra", "-mexec-model=reactor", "-Igen", "-Isdk"]
sources = ["plugin.c", "sdk/agentd.c", "gen/plugin.c", "gen/plugin_component_type.o"]
sys.exit(subprocess.run([*compiler, *options, "-o", "build/core.wasm", *sources]).returncode)
