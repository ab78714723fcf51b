#!/usr/bin/env python3
"""Builds libpolycom for this machine's GPU alone, with CMake where it is there and with nvcc and a C++ compiler
otherwise. It needs neither Node nor a network."""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Sequence

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "build" / "gpu"
HOPPER = "90"
# As CMakeLists.txt has them.
WARNINGS = ["-Wall", "-Wextra", "-Werror"]
CPU_OPTIONS = ["-O3", "-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math", "-Wno-psabi"]
LEVELS = {
    "baseline": [],
    "avx2": ["-mavx2", "-mfma", "-mf16c"],
    "avx512": ["-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mfma", "-mprefer-vector-width=512"]
    + ["-Wno-maybe-uninitialized"],
}
CPU_SOURCES = ["activations/cpu/*.cpp", "ops/*/cpu*.cpp"]
CUDA_SOURCES = ["runtime/cuda/*.cu", "activations/cuda/*.cu", "ops/*/cuda*.cu"]
CORE_SOURCES = ["runtime/*.cpp", "activations/*.cpp", "ops/*/abi.cpp", "ops/*/workspace.cpp", "tensorflow/*.cpp"]
HIDDEN = ["-fPIC", "-fvisibility=hidden", "-fvisibility-inlines-hidden"]
LINK = ["-z,nodelete", "-z,defs", "--exclude-libs,ALL"]


class BuildError(RuntimeError):
    """What is missing, or what failed."""


@dataclass(frozen=True)
class Tools:
    nvcc: str
    compiler: str
    cmake: str | None
    ninja: str | None
    architecture: str
    """`90` for sm_90."""


@dataclass(frozen=True)
class Command:
    arguments: tuple[str, ...]
    output: Path
    source: Path | None = None


def main() -> int:
    parser = argparse.ArgumentParser(prog="build.py", description=__doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--how", choices=["auto", "cmake", "plain"], default="auto")
    parser.add_argument("--architecture", help="such as 90; by default that of the first GPU, or Hopper's")
    parser.add_argument("--list", action="store_true", help="print the commands of a build without CMake, run none")
    parser.add_argument("--transform", action="store_true", help="build transform.cu alone, which roofs.py calls")
    options = parser.parse_args()
    try:
        tools = find_tools(options.architecture)
        if options.list:
            for command in plain_commands(tools, options.folder):
                print(shlex.join(command.arguments))
            return 0
        if options.transform:
            print(build_transform(tools, options.folder))
            return 0
        print(build(tools, options.folder, options.how))
    except BuildError as error:
        print(f"gpu build: {error}", file=sys.stderr)
        return 1
    return 0


def build(tools: Tools, folder: Path, how: str = "auto") -> Path:
    """Builds what is missing or stale.

    :returns: the library
    :raises BuildError: with the last lines of what failed
    """
    if how == "plain" or (how == "auto" and tools.cmake is None):
        return build_plain(tools, folder / "plain")
    try:
        return build_with_cmake(tools, folder / "cmake")
    except BuildError as error:
        if how == "cmake":
            raise
        print(f"gpu build: {error}\ngpu build: once more, without CMake", file=sys.stderr)
        return build_plain(tools, folder / "plain")


def find_tools(architecture: str | None = None) -> Tools:
    """:raises BuildError: naming what is missing"""
    nvcc = find_nvcc()
    compiler = os.environ.get("CXX") or shutil.which("g++") or shutil.which("c++")
    if nvcc is None:
        raise BuildError("there is no nvcc (PATH, CUDACXX, CUDA_HOME, CUDA_PATH, /usr/local/cuda)")
    if compiler is None:
        raise BuildError("there is no C++ compiler (PATH, CXX)")
    return Tools(nvcc, compiler, shutil.which("cmake"), shutil.which("ninja"), architecture or gpu_architecture())


def find_nvcc() -> str | None:
    named = os.environ.get("CUDACXX")
    if named:
        return shutil.which(named)
    homes = [os.environ.get("CUDA_HOME"), os.environ.get("CUDA_PATH"), "/usr/local/cuda"]
    places = [str(Path(home) / "bin" / "nvcc") for home in homes if home]
    return next((found for found in map(shutil.which, ["nvcc", *places]) if found), None)


def gpu_architecture() -> str:
    """The first GPU's, as nvidia-smi says; Hopper's where it says nothing."""
    query = ["nvidia-smi", "--query-gpu=compute_cap", "--format=csv,noheader"]
    try:
        text = subprocess.run(query, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return HOPPER
    return text.splitlines()[0].strip().replace(".", "") if text.strip() else HOPPER


def cmake_commands(tools: Tools, folder: Path) -> list[list[str]]:
    configure = [tools.cmake or "cmake", "-S", str(ROOT), "-B", str(folder), "-DCMAKE_BUILD_TYPE=Release"]
    configure += ["-DPOLYCOM_CUDA=ON", f"-DCMAKE_CUDA_ARCHITECTURES={tools.architecture}-real"]
    configure += [f"-DCMAKE_CUDA_COMPILER={tools.nvcc}", *(["-G", "Ninja"] if tools.ninja else [])]
    compile_all = [tools.cmake or "cmake", "--build", str(folder), "--target", "polycom", "--parallel", str(jobs())]
    return [configure, compile_all]


def build_with_cmake(tools: Tools, folder: Path) -> Path:
    # CMake would take the variable's `all` for more than CMakeLists.txt lists.
    environment = {name: value for name, value in os.environ.items() if name != "CUDAARCHS"}
    for command in cmake_commands(tools, folder):
        run(command, environment)
    return folder / "libpolycom.so"


def plain_commands(tools: Tools, folder: Path) -> list[Command]:
    """What compiles each source, and links them, as CMakeLists.txt has it for one architecture."""
    native = ROOT / "native"
    includes = [f"-I{native}", f"-I{native / 'include'}"]
    x86 = platform.machine() in ("x86_64", "AMD64")
    version = json.loads((ROOT / "package.json").read_text(encoding="utf-8"))["version"]
    defines = [f'-DPC_VERSION="{version}"', "-DPC_HAVE_CUDA"]
    defines += [f'-DPC_CUDA_ARCHITECTURES="{tools.architecture}-real"', *(["-DPC_X86"] if x86 else [])]
    host = [tools.compiler, "-std=c++17", "-DNDEBUG", *WARNINGS, *HIDDEN, *includes]
    target = f"arch=compute_{tools.architecture},code=sm_{tools.architecture}"
    device = [tools.nvcc, "-std=c++17", "-O3", "-DNDEBUG", "-gencode", target, "-ccbin", tools.compiler]
    device += [f"-Xcompiler={','.join([*HIDDEN, *WARNINGS])}", *includes, *defines]
    commands = [command for source in sources(*CUDA_SOURCES) for command in compiles(device, source, folder, "cuda")]
    for level, options in LEVELS.items() if x86 else [("baseline", LEVELS["baseline"])]:
        kernels = [*host, f"-DPC_ISA={level}", *CPU_OPTIONS, *options]
        commands += [command for source in sources(*CPU_SOURCES) for command in compiles(kernels, source, folder, level)]
    core = [*host, "-O3", *defines]
    commands += [command for source in sources(*CORE_SOURCES) for command in compiles(core, source, folder, "core")]
    objects = [str(command.output) for command in commands]
    library = folder / "libpolycom.so"
    link = [tools.nvcc, "-shared", "-cudart", "static", "-ccbin", tools.compiler, "-o", str(library), *objects]
    link += [f"-Xlinker={option}" for option in LINK]
    link += ["-Xcompiler=-static-libstdc++,-static-libgcc,-pthread", "-ldl"]
    return [*commands, Command(tuple(link), library)]


def build_transform(tools: Tools, folder: Path) -> Path:
    """Compiles transform.cu, where it is missing or stale, into a library of its own.

    :raises BuildError: such as where the toolkit's CUB is too old
    """
    native, library = ROOT / "native", folder / "libtransform.so"
    source = ROOT / "bench" / "gpu" / "transform.cu"
    target = f"arch=compute_{tools.architecture},code=sm_{tools.architecture}"
    options = ["-std=c++17", "-O3", "-DNDEBUG", "-gencode", target, "-ccbin", tools.compiler]
    options += ["-shared", "-cudart", "static", "-Xcompiler=-fPIC,-fvisibility=hidden", f"-I{native}", f"-I{native / 'include'}"]
    command = Command((tools.nvcc, *options, "-o", str(library), str(source)), library, source)
    newest = max(path.stat().st_mtime for path in (source, *(native / "math").iterdir()))
    if not up_to_date(command, newest):
        folder.mkdir(parents=True, exist_ok=True)
        compile_one(command)
    return library


def sources(*patterns: str) -> list[Path]:
    return sorted(source for pattern in patterns for source in (ROOT / "native").glob(pattern))


def compiles(options: Sequence[str], source: Path, folder: Path, part: str) -> list[Command]:
    """A source's command; of the one that the element-wise activations share, a command each."""
    name = "-".join(source.relative_to(ROOT / "native").with_suffix("").parts)
    if source.stem != "elementwise":
        return [compile_command(options, source, folder / part / f"{name}.o")]
    return [
        compile_command([*options, f"-DPC_FORMULA={formula}"], source, folder / part / f"{name}-{formula}.o")
        for formula in elementwise()
    ]


def elementwise() -> list[str]:
    """The element-wise activations, as polycom.h lists them."""
    header = (ROOT / "native" / "include" / "polycom.h").read_text(encoding="utf-8")
    return re.findall(r"^  X\(([a-z0-9]+), PC_ELEMENTWISE", header, re.MULTILINE)


def compile_command(options: Sequence[str], source: Path, output: Path) -> Command:
    return Command((*options, "-c", str(source), "-o", str(output)), output, source)


def build_plain(tools: Tools, folder: Path) -> Path:
    *compiles, link = plain_commands(tools, folder)
    newest = max(path.stat().st_mtime for path in (ROOT / "native").rglob("*") if path.is_file())
    stale = [command for command in compiles if not up_to_date(command, newest)]
    # The largest first, so that none of them is left for the end.
    stale.sort(key=lambda command: (command.source.suffix != ".cu", -command.source.stat().st_size))
    with ThreadPoolExecutor(jobs()) as pool:
        for command in stale:
            command.output.parent.mkdir(parents=True, exist_ok=True)
        list(pool.map(compile_one, stale))
    if stale or not up_to_date(link, newest):
        compile_one(link)
    return link.output


def compile_one(command: Command) -> None:
    run(command.arguments)
    stamp_of(command).write_text(shlex.join(command.arguments), encoding="utf-8")


def up_to_date(command: Command, newest: float) -> bool:
    stamp = stamp_of(command)
    if not command.output.exists() or not stamp.exists() or command.output.stat().st_mtime <= newest:
        return False
    return stamp.read_text(encoding="utf-8") == shlex.join(command.arguments)


def stamp_of(command: Command) -> Path:
    return command.output.with_suffix(".command")


def run(arguments: Sequence[str], environment: dict[str, str] | None = None) -> None:
    result = subprocess.run(arguments, capture_output=True, text=True, env=environment)
    if result.returncode != 0:
        lines = "\n".join((result.stdout + result.stderr).strip().splitlines()[-30:])
        raise BuildError(f"{shlex.join(arguments)[:300]} failed:\n{lines}")


def jobs() -> int:
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


if __name__ == "__main__":
    sys.exit(main())
