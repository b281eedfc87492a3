"""Makes build/{{name}}.wasm of app.py and what it imports. The bindings in build/bindings are for your editor."""

import pathlib
import shutil
import subprocess
import sys

TOOL = [str(pathlib.Path(sys.executable).parent / "componentize-py"), "-d", "wit", "-w", "plugin"]

build = pathlib.Path("build")
build.mkdir(exist_ok=True)
shutil.rmtree(build / "bindings", ignore_errors=True)
subprocess.run([*TOOL, "-q", "bindings", "build/bindings"], check=True)
sys.exit(subprocess.run([*TOOL, "-q", "componentize", "app", "-o", "build/{{name}}.wasm"]).returncode)
