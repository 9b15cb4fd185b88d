# The CUDA build adds the toolkit's headers, which c10's CUDA headers include, and our own kernels (src/*/*.cu). CUDA's
# own libraries come with LibTorch (the wheel's nvidia-* packages, scripts/setup.sh --cuda, or an official archive), and
# are looked up when the program starts.
find_package(CUDAToolkit 13 REQUIRED)
if(NOT CMAKE_CUDA_COMPILER)
  set(CMAKE_CUDA_COMPILER ${CUDAToolkit_NVCC_EXECUTABLE} CACHE FILEPATH "nvcc")
endif()
# Turing, Ampere, Hopper; newer devices compile the last one's PTX when the program starts.
set(CMAKE_CUDA_ARCHITECTURES 75-real;80-real;90-real;90-virtual CACHE STRING "Devices that kernels are compiled for")
# The run-time library is named below, once.
set(CMAKE_CUDA_RUNTIME_LIBRARY None)
enable_language(CUDA)
# Kernels see no torch headers, so that they need no C++20, which CMake 3.25 does not know of nvcc.
set(CMAKE_CUDA_STANDARD 17)
set(CMAKE_CUDA_STANDARD_REQUIRED ON)
set(CMAKE_CUDA_EXTENSIONS OFF)

# LibTorch's own CUDA run-time library rather than the toolkit's, which may be older than what LibTorch asks of it.
set(GENVINCI_NVIDIA ${TORCH_INCLUDE}/../../nvidia)
find_library(CUDART_LIBRARY NAMES libcudart.so.${CUDAToolkit_VERSION_MAJOR}
  HINTS ${GENVINCI_NVIDIA}/cu${CUDAToolkit_VERSION_MAJOR}/lib ${TORCH_INCLUDE}/../lib ${CUDAToolkit_LIBRARY_DIR} REQUIRED)

# NCCL, which libtorch_cuda needs too: the wheel's, else the toolkit's.
find_path(NCCL_INCLUDE nccl.h HINTS ${GENVINCI_NVIDIA}/nccl/include ${CUDAToolkit_INCLUDE_DIRS} REQUIRED)
find_library(NCCL_LIBRARY NAMES libnccl.so.2
  HINTS ${GENVINCI_NVIDIA}/nccl/lib ${CUDAToolkit_LIBRARY_DIR} ${CUDAToolkit_BIN_DIR}/../lib REQUIRED)
file(STRINGS ${NCCL_INCLUDE}/nccl.h nccl_version REGEX "^#define NCCL_(MAJOR|MINOR) ")
string(REGEX REPLACE "[^0-9;]" "" nccl_version "${nccl_version}")
list(JOIN nccl_version "." nccl_version)
set(GENVINCI_NCCL 2.30)
if(NOT nccl_version VERSION_EQUAL GENVINCI_NCCL)
  message(WARNING "${NCCL_INCLUDE}/nccl.h is of NCCL ${nccl_version}, LibTorch was made with ${GENVINCI_NCCL}, whose "
    "structures have other sizes: this build shows that all compiles, but must not train on several GPUs. Run "
    "scripts/setup.sh --cuda, or give NCCL_INCLUDE")
endif()

target_link_libraries(genvinci::torch INTERFACE ${CUDART_LIBRARY})

# For the few modules that see CUDA's headers. All others compile as in the CPU build, whose objects ccache then has.
add_library(genvinci::cuda INTERFACE IMPORTED)
target_include_directories(genvinci::cuda SYSTEM INTERFACE ${NCCL_INCLUDE} ${CUDAToolkit_INCLUDE_DIRS})
target_compile_definitions(genvinci::cuda INTERFACE GENVINCI_CUDA USE_C10D_NCCL)
target_link_libraries(genvinci::cuda INTERFACE ${NCCL_LIBRARY})
