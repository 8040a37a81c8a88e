"""A CuPy without a GPU: kernels compiled by the host compiler, launches checked and run by fibers (``simt.hpp``)."""

import ctypes
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from hermite_pinn.cuda.runtime import host
from hermite_pinn.cuda.runtime.device import OPTIONS

FLAGS = ("-std=c++17", "-Og", "-w", "-fno-math-errno", "-fsanitize=alignment", "-fPIC", "-shared")
SHARED = 48 * 1024  # bytes of shared memory that a block has without being asked
GRID = (2**31 - 1, 65535)
TAG = 1 << 60  # in addresses of the GPU, which no processor can read by mistake

DRIVER = """
#include <string>
#include <utility>
extern char __start_simt_memory[] __attribute__((weak)), __stop_simt_memory[] __attribute__((weak));
namespace simt {
static void **given;
template <class T> constexpr char kind() {
  if constexpr (std::is_void<T>::value) return 'v';
  else if constexpr (std::is_class<T>::value) return sizeof(T) > 2 ? 's' : 'f'; // half is a struct of two bytes
  else return std::is_integral<T>::value ? 'i' : 'f';
}
template <class T> size_t size() { return sizeof(T); }
template <> size_t size<void>() { return 0; }
template <class T> std::string described() {
  typedef std::remove_cv_t<std::remove_pointer_t<T>> inner;
  return (std::is_pointer<T>::value ? "p" : "") + std::string(1, kind<inner>()) + std::to_string(size<inner>()) + " ";
}
template <class... A> std::string signature(void (*)(A...)) { return (described<A>() + ...); }
template <class... A, size_t... I> void call(void (*kernel)(A...), std::index_sequence<I...>) { kernel(*(A *)given[I]...); }
template <class... A> void call(void (*kernel)(A...)) { call(kernel, std::index_sequence_for<A...>{}); }
static void one() { call(HP_ENTRY); }
} // namespace simt
extern "C" void __ubsan_handle_type_mismatch_v1(void *, void *) { simt::fail("misaligned address"); } // the sanitizer calls it
extern "C" const char *simt_signature() { static std::string text = simt::signature(HP_ENTRY); return text.c_str(); }
extern "C" long long simt_shared() { return __stop_simt_memory - __start_simt_memory; }
extern "C" const char *simt_launch(unsigned blocks_x, unsigned blocks_y, unsigned threads, void **given) {
  simt::given = given;
  return simt::launch(blocks_x, blocks_y, threads, simt::one);
}
"""


class LaunchError(RuntimeError):
    """What a driver would refuse, or answer by an illegal address later."""


@dataclass(frozen=True)
class Parameter:
    """A parameter of a kernel: ``kind`` i integer, f floating point, s struct, v void; size of it or its target."""

    pointer: bool
    kind: str
    size: int

    def __str__(self):
        name = {"i": "integer", "f": "floating-point number", "s": "struct", "v": "byte"}[self.kind]
        return f"{'a pointer to a ' if self.pointer else 'a '}{name} of {self.size} bytes"


class Binary:
    """A kernel of a source text, compiled for the CPU."""

    def __init__(self, source, name):
        driver = DRIVER.replace("HP_ENTRY", name)
        prelude = (Path(__file__).parent / "simt.hpp").read_text()
        self._library = ctypes.CDLL(str(host.compile_source(prelude + source + driver, FLAGS)))
        self._library.simt_signature.restype = self._library.simt_launch.restype = ctypes.c_char_p
        spelled = self._library.simt_signature().decode().split()
        parts = [re.fullmatch(r"(p?)([ifsv])(\d+)", s).groups() for s in spelled]
        self.parameters = [Parameter(pointer == "p", kind, int(size)) for pointer, kind, size in parts]
        self.shared = int(self._library.simt_shared())
        bound = re.search(rf"__launch_bounds__\((\w+)\)\s+{name}\(", source).group(1)
        self.most_threads = int(re.search(rf"#define {bound} (\d+)", source).group(1))

    def run(self, grid, threads, words):
        given = (ctypes.c_void_p * len(words))(*(w.ctypes.data for w in words))
        wrong = self._library.simt_launch(*grid, threads, given)
        if wrong:
            raise LaunchError(wrong.decode())


binary = lru_cache(maxsize=None)(Binary)


class Kernel:
    """What ``RawModule.get_function`` gives: called with grid, block and arguments, which must fit the parameters."""

    def __init__(self, gpu, source, name):
        self._gpu, self._source, self.name = gpu, source, name
        self.binary = binary(source, name)
        self.binary_version, self.num_regs, self.local_size_bytes = 90, 64, 0
        self.shared_size_bytes = self.binary.shared

    def __call__(self, grid, block, arguments):
        (threads,) = block
        self._check_shape(grid, threads)
        parameters = self.binary.parameters
        if len(arguments) != len(parameters):
            raise LaunchError(f"{self.name} has {len(parameters)} parameters and was given {len(arguments)} arguments")
        words, used = [], []
        for number, (argument, parameter) in enumerate(zip(arguments, parameters, strict=True)):
            try:
                words.append(np.array([self._checked(argument, parameter, used)]))
            except LaunchError as error:
                raise LaunchError(f"{self.name}, argument {number}: {error}") from None
        self._gpu.launched(self.name, lambda: self.binary.run(grid, threads, words), used)

    def _check_shape(self, grid, threads):
        if not all(0 < n <= most for n, most in zip(grid, GRID, strict=True)):
            raise LaunchError(f"invalid value: a grid of {grid} blocks")
        if not 0 < threads <= min(1024, self.binary.most_threads):
            raise LaunchError(
                f"invalid value: {threads} threads, and {self.name} has at most {self.binary.most_threads}"
            )
        if self.binary.shared > SHARED:
            raise LaunchError(f"{self.name} takes {self.binary.shared} bytes of shared memory")

    def _checked(self, argument, parameter, used):
        if not isinstance(argument, np.generic):
            raise LaunchError(f"CuPy takes numbers of NumPy, got {type(argument).__name__}")
        if not parameter.pointer:
            if argument.dtype.kind != parameter.kind or argument.itemsize != parameter.size:
                raise LaunchError(f"{argument.dtype} for {parameter}")
            return argument
        if argument.dtype != np.uint64:
            raise LaunchError(f"{argument.dtype} for {parameter}")
        if argument == 0:
            return argument
        tensor = self._gpu.at(int(argument))
        if tensor is None:
            raise LaunchError("an illegal memory access was encountered: no tensor of the GPU lies there")
        found = ("f" if tensor.dtype.is_floating_point else "i", tensor.itemsize)
        if parameter.kind == "s":  # a row of the tensor is a struct
            found = ("s", tensor.shape[-1] * tensor.itemsize)
        if parameter.kind != "v" and found != (parameter.kind, parameter.size):
            raise LaunchError(f"a tensor of {tensor.dtype} for {parameter}")
        if not dense(tensor):
            raise LaunchError(f"a tensor of shape {tuple(tensor.shape)} with strides {tensor.stride()}")
        if int(argument) % min(16, tensor.itemsize):
            raise LaunchError("misaligned address")
        used.append(tensor)
        return np.uint64(int(argument) - TAG)


def dense(tensor):
    """Whether elements lie one after another, apart from axes that repeat (stride 0)."""
    kept = [n if s else 1 for n, s in zip(tensor.shape, tensor.stride(), strict=True)]
    return tensor.as_strided(kept, tensor.stride()).is_contiguous() if 0 in tensor.stride() else tensor.is_contiguous()


class Module:
    """``cupy.RawModule``."""

    def __init__(self, gpu, code, options, backend):
        assert options == OPTIONS
        assert backend == "nvrtc"
        self._gpu, self._source = gpu, code

    def compile(self):
        """Nothing: the name of the kernel is not known yet."""

    def get_function(self, name):
        return Kernel(self._gpu, self._source, name)


class Entered:
    """A context that remembers what it was made for."""

    def __init__(self, *given):
        self.given = given

    def __enter__(self):
        return self

    def __exit__(self, *args):
        return None


def cupy(gpu):
    """What the library uses of CuPy, on an emulated GPU."""

    class CompileError(Exception):
        """Nothing raises it here."""

    cuda = SimpleNamespace(
        Device=Entered, ExternalStream=Entered, compiler=SimpleNamespace(CompileException=CompileError)
    )
    return SimpleNamespace(
        __version__="emulated",
        uint64=np.uint64,
        int32=np.int32,
        int64=np.int64,
        cuda=cuda,
        RawModule=lambda code, options, backend: Module(gpu, code, options, backend),
    )
