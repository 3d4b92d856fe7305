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
if(HERMITEFLOW_X86)
  list(APPEND HERMITEFLOW_ISAS v3 v4)
  set(v3_flags ${HERMITEFLOW_V3})
  set(v4_flags ${HERMITEFLOW_V4})
endif()

set(HERMITEFLOW_KERNELS "")
set(HERMITEFLOW_OPTIMISE ${HERMITEFLOW_O3})
if(CMAKE_CXX_FLAGS MATCHES "-fsanitize")
  set(HERMITEFLOW_OPTIMISE ${HERMITEFLOW_O1})
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
    ${HERMITEFLOW_OPTIMISE} ${HERMITEFLOW_KERNEL_FLAGS} ${HERMITEFLOW_UNCONTRACTED} ${${isa}_flags})
  list(APPEND HERMITEFLOW_KERNELS $<TARGET_OBJECTS:hermiteflow_kernels_${isa}>)
endforeach()
