# The kernels are one set of sources, compiled once per instruction set into OBJECT libraries.
# -DEigen=Eigen_<isa> keeps the linker from merging Eigen's weak symbols across the variants;
# HF_ISA names the namespace of our own templates for the same reason.
set(HERMITEFLOW_KERNEL_SOURCES
  cpp/src/kernel_marginal.cpp
  cpp/src/kernel_empirical.cpp
  cpp/src/kernel_samples.cpp
  cpp/src/kernel_squared.cpp
  cpp/src/kernel_table.cpp
  cpp/src/kernel_tiles.cpp
  cpp/src/kernel_weights.cpp)
set(HERMITEFLOW_ISAS generic)
set(generic_flags "")
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64|amd64" AND NOT MSVC)
  set(HERMITEFLOW_X86 ON)
  list(APPEND HERMITEFLOW_ISAS v3 v4)
  set(v3_flags -march=x86-64-v3)
  set(v4_flags -march=x86-64-v4 -mprefer-vector-width=512)
endif()

set(HERMITEFLOW_KERNELS "")
set(HERMITEFLOW_OPTIMISE -O3)
if(CMAKE_CXX_FLAGS MATCHES "-fsanitize")
  set(HERMITEFLOW_OPTIMISE -O1)
endif()
foreach(isa IN LISTS HERMITEFLOW_ISAS)
  add_library(hermiteflow_kernels_${isa} OBJECT ${HERMITEFLOW_KERNEL_SOURCES})
  target_link_libraries(hermiteflow_kernels_${isa} PRIVATE hermiteflow_settings)
  target_compile_definitions(hermiteflow_kernels_${isa} PRIVATE Eigen=Eigen_${isa} HF_ISA=${isa})
  if(CMAKE_CXX_FLAGS MATCHES "-fsanitize")
    target_compile_definitions(hermiteflow_kernels_${isa} PRIVATE HF_MAY_CALL)
  else()  # lanes live in registers only where every operation on them is inlined
    target_compile_definitions(hermiteflow_kernels_${isa} PRIVATE
      "EIGEN_STRONG_INLINE=__attribute__((always_inline)) inline")
  endif()
  target_compile_options(hermiteflow_kernels_${isa} PRIVATE
    ${HERMITEFLOW_OPTIMISE} -falign-loops=64 -fno-math-errno -fno-trapping-math -ffp-contract=off
    # gcc 12 takes the undefined register of its own AVX-512 intrinsics for a mistake
    -Wno-uninitialized -Wno-maybe-uninitialized ${${isa}_flags})
  list(APPEND HERMITEFLOW_KERNELS $<TARGET_OBJECTS:hermiteflow_kernels_${isa}>)
endforeach()
