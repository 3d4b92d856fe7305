# What the compilers call the same things. Kernels need the vector extensions of gcc and clang
# (vector_size, __builtin_convertvector), so Windows needs clang-cl, which comes with Visual Studio.
# Run: gcc on Linux. Never run: AppleClang and clang-cl.
if(MSVC AND NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  message(FATAL_ERROR
    "hermiteflow needs the vector extensions of gcc or clang, which cl.exe lacks. On Windows build "
    "with clang-cl: CMAKE_GENERATOR_TOOLSET=ClangCL for the Visual Studio generators, or CC and CXX "
    "set to clang-cl for Ninja.")
endif()

# hermiteflow_flags(OUT flag...): the flags as this compiler's driver takes them
function(hermiteflow_flags out)
  set(flags ${ARGN})
  if(MSVC)
    list(TRANSFORM flags PREPEND "/clang:")
  endif()
  set(${out} "${flags}" PARENT_SCOPE)
endfunction()

hermiteflow_flags(HERMITEFLOW_UNCONTRACTED -ffp-contract=off)
hermiteflow_flags(HERMITEFLOW_O1 -O1)
hermiteflow_flags(HERMITEFLOW_O3 -O3)
hermiteflow_flags(HERMITEFLOW_KERNEL_FLAGS -falign-loops=64 -fno-math-errno -fno-trapping-math)
hermiteflow_flags(HERMITEFLOW_V3 -march=x86-64-v3)
hermiteflow_flags(HERMITEFLOW_V4 -march=x86-64-v4 -mprefer-vector-width=512)

if(MSVC) # there -Wall is every warning that exists
  set(HERMITEFLOW_WARNINGS /W4 -Wno-ignored-attributes)
  add_compile_definitions(NOMINMAX _USE_MATH_DEFINES)
else()
  set(HERMITEFLOW_WARNINGS -Wall -Wextra -Wshadow -Wno-ignored-attributes -Wno-psabi)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # gcc 12 takes the undefined register of its own AVX-512 intrinsics for a mistake
  list(APPEND HERMITEFLOW_KERNEL_FLAGS -Wno-uninitialized -Wno-maybe-uninitialized)
endif()

# Variants for one x86-64 target; a universal binary of macOS gets generic kernels only.
set(HERMITEFLOW_PROCESSOR "${CMAKE_SYSTEM_PROCESSOR}")
if(APPLE AND CMAKE_OSX_ARCHITECTURES)
  set(HERMITEFLOW_PROCESSOR "${CMAKE_OSX_ARCHITECTURES}")
endif()
if(HERMITEFLOW_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
  set(HERMITEFLOW_X86 ON)
endif()

# Serial on request only: whoever lacks OpenMP should learn of it, not wonder where the threads are.
option(HERMITEFLOW_OPENMP "Threads; OFF gives a serial build, and build_info()['openmp'] is 0" ON)
if(HERMITEFLOW_OPENMP)
  find_package(OpenMP COMPONENTS CXX)
  if(NOT OpenMP_CXX_FOUND)
    message(FATAL_ERROR
      "OpenMP was not found. It comes with gcc; with AppleClang install libomp and set OpenMP_ROOT "
      "to its folder. -DHERMITEFLOW_OPENMP=OFF builds without threads.")
  endif()
endif()
